"""Objectives: score the picture (paper §3, §5.1, §5.2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor, nn

from artkit.config import Config as BaseConfig
from artkit.config import FiniteFloat, InputFile, Schedule
from artkit.imaging.loading import load_target_image
from artkit.imaging.target_image import TargetImage
from artkit.interfaces.component import Component
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View

if TYPE_CHECKING:
    from artkit.rendering.rendered_painting import RenderedPainting


class Objective(Component, nn.Module, ABC):
    """Scores pictures; lower is better. The loss of a run is the weighted sum of its objectives.

    Its Config is a subclass of `Objective.Config`. target: the image to paint, if this objective has one; None by
    default. margin: px around a window that influence its score; windows of a large picture overlap by it.

    Examples:
        >>> import artkit, torch
        >>> class Dark(artkit.Objective):
        ...     '''The mean of the picture.'''
        ...     name = "dark"
        ...     def forward(self, view):
        ...         return view.image.mean((1, 2, 3))
        >>> view = artkit.View(torch.ones(2, 3, 8, 8), None, artkit.Window(0, 0, 8, 8), progress=0.0)
        >>> artkit.scene().make("objective", Dark, weight=2.0)(view)
        tensor([1., 1.])
    """

    margin: ClassVar[int] = 32

    class Config(BaseConfig):
        """Settings of every objective."""

        weight: FiniteFloat | Schedule = 1.0
        """Factor of the objective's value in the loss. Or a schedule, `[[0.2, 0.0], [0.3, 1.0]]`: pairs of the progress
        of the run, in [0, 1], and the weight there. The weight is interpolated between pairs and constant before the
        first and after the last. While a schedule gives 0, the objective is not computed."""
        weight_image: InputFile | None = None
        """An image of where the objective acts, stretched to the picture: fully where it is white, not at all where it
        is black, and by its brightness between. The gradient at each pixel is multiplied by it; the value that is
        logged remains that of the whole picture."""

    target: TargetImage | None = None
    _changed_weight: float | None

    def __init__(self, config: BaseConfig, scene: Scene) -> None:
        nn.Module.__init__(self)
        self.config, self.provenance = config, {}
        self._scene_of_images, self._changed_weight = (scene,), None  # in a tuple: no part of this module's state
        self._set_weight_image(getattr(config, "weight_image", None))
        weight = getattr(config, "weight", 1.0)
        if not isinstance(weight, float) and len({value for _, value in weight}) > 1:
            self.scheduled = ("weight",)

    def _set_weight_image(self, file: Path | None) -> None:
        (scene,) = self._scene_of_images
        image = load_target_image(file, scene.size, "stretch", notes=scene.notes) if file else None
        self._weight_image_file, self._weight_image = file, image.to(scene.device) if image else None

    def change(self, weight: float | None, weight_image: Path | str | None) -> None:
        """Change settings during a run. None: as in the Config. weight_image: a file, or "" for none."""
        self._changed_weight = weight
        file = getattr(self.config, "weight_image", None) if weight_image is None else weight_image
        if (file or None) != self._weight_image_file:
            self._set_weight_image(Path(file) if file else None)

    def weight(self, progress: float) -> float | None:
        """Return the weight at this progress in [0, 1]; None while a schedule gives 0."""
        if self._changed_weight is not None:
            return self._changed_weight or None
        weight = self.config.weight  # type: ignore[attr-defined]
        if isinstance(weight, float):
            return weight
        positions, weights = zip(*weight, strict=True)
        return float(np.interp(progress, positions, weights)) or None

    def view(self, view: View) -> View:
        """Return a step's view as this objective gets it: with its target, and its `weight_image` applied."""
        if self._weight_image is not None:
            weights = self._weight_image.window(view.window).mean(1, keepdim=True)
            key = ("weight image", self._weight_image_file)
            view = view.cached(key, lambda: view.with_pixel_weights(weights))
        return view.with_target(self.target.window(view.window)) if self.target else view

    @abstractmethod
    def forward(self, view: View) -> Tensor:
        """Return the value of each picture of a view: (n,), differentiable with respect to ``view.image``.

        The value of a picture must not depend on the other pictures, and the view must not be modified in place.
        """

    def training_step(self, view: View) -> None:
        """Train the objective's own networks on the pictures of a step. Does nothing by default.

        Called after the optimiser step of the agent; an adversarial objective updates its critic here. No gradient
        reaches the agent. Networks and optimiser state must be part of the ``state_dict``.
        """

    def evaluate(self, painting: RenderedPainting) -> list[dict[str, Any]]:
        """Evaluate a finished painting with held-out networks: one row each, from column names to str, numbers or bool.

        The rows are written to the run's log and report. Empty by default.
        """
        return []
