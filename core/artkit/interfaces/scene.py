"""The scene: what all components of a run share."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from PIL import Image
from torch import Tensor

from artkit.config import FIRST_STAGE
from artkit.errors import UsageError
from artkit.imaging.background_image import BackgroundImage
from artkit.imaging.loading import Fit, fit_image, load_target_image
from artkit.imaging.target_image import TargetImage
from artkit.rendering.layout import StrokeLayout
from artkit.rendering.stroke_renderer import StrokeRenderer

T = TypeVar("T")


class ImageSet(Protocol):
    """The part of `artkit.interfaces.data.Data` that other components use."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the labels; empty for images without labels."""

    def __len__(self) -> int:
        """The number of images."""

    def images(self, indices: Tensor) -> Tensor:
        """See `Data.images`."""

    def labels(self, indices: Tensor) -> Tensor | None:
        """See `Data.labels`."""


class ActionConstraint(Protocol):
    """The part of `artkit.interfaces.constraint.Constraint` that other components use."""

    def constrain(self, actions: Tensor, progress: float, indices: Tensor | None = None) -> Tensor:
        """See `Constraint.constrain`."""

    def inverse(self, actions: Tensor) -> Tensor:
        """See `Constraint.inverse`."""


@dataclass
class Scene:
    """What the components of a run share.

    Components are built in the order of the fields below; each finds those that were built before it.

    size: width and height of the picture, px. device: where tensors live. seed: of the recipe. generator: a CPU
    generator seeded by it, the source of random numbers except for the initial weights of modules (torch's global
    generator, seeded while components are built) and stroke noise (a hash of seed and stroke index). background: RGB
    (3,) in [0, 1], the mean colour of `background_image` if there is one. make: builds another component for this scene
    from its name or its class: ``make(kind, type, **settings)``; raises UsageError for invalid settings. data: the
    images that an agent trains on, if it trains. target: the image to paint, if an objective has one. constraints:
    in the order in which they apply. folder: where arrays that do not fit into memory are stored (`artkit.memmap`).

    Examples:
        >>> import artkit
        >>> scene = artkit.scene((96, 64), seed=3)
        >>> scene.renderer = scene.make("renderer", "gan")
        >>> scene.canvas = scene.make("canvas", "single", strokes=7)
        >>> scene.action_count
        7
    """

    size: tuple[int, int]
    device: torch.device
    seed: int
    generator: torch.Generator
    background: Tensor
    make: Callable[..., Any]
    renderer: StrokeRenderer | None = None
    canvas: StrokeLayout | None = None
    data: ImageSet | None = None
    target: TargetImage | None = None
    constraints: tuple[ActionConstraint, ...] = ()
    folder: Path | None = None
    background_image: BackgroundImage | None = None
    """The picture under the strokes, if the background is one."""
    images: dict[Path, Image.Image] = field(default_factory=dict)
    """Images that stand for files, by path: the frame of a clip that is painted at present, or the picture of a first
    stage. See `replace_image`."""
    notes: list[str] = field(default_factory=list)
    """One-line notes for the user, which a run prints before it starts."""
    _cache: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def action_count(self) -> int:
        """The number of actions of a painting: one a stroke, or 1 if the renderer shares one action."""
        assert self.renderer is not None
        assert self.canvas is not None
        return 1 if self.renderer.shared else self.canvas.stroke_count

    @property
    def base(self) -> Tensor | TargetImage:
        """What strokes are composited on: the picture under them, or the background colour (3,)."""
        return self.background if self.background_image is None else self.background_image

    def constrain(self, actions: Tensor, progress: float, indices: Tensor | None = None) -> Tensor:
        """Apply the constraints to actions (n, N, A); progress: 0 at the first step, 1 at the last.

        If every constraint is elementwise, a subset of the strokes may be given, with their indices (m,).
        """
        for constraint in self.constraints:
            actions = constraint.constrain(actions, progress, indices)
        return actions

    def unconstrain(self, actions: Tensor) -> Tensor:
        """Return actions (n, N, A) that `constrain` maps to the given ones, as nearly as there are such actions."""
        for constraint in reversed(self.constraints):
            actions = constraint.inverse(actions)
        return actions

    def load_image(self, file: Path, fit: Fit = "cover", background: Tensor | None = None) -> TargetImage:
        """Read an image file, fitted to the picture's size, on the scene's device.

        All components read images with it or with `artkit.imaging.loading`: photos of any format are rotated, converted
        to sRGB, and blended with `background` (3,), by default the scene's, where they are transparent. What was
        assumed or cut is added to `notes`. A file is read once for all components that fit it in the same way. Raises
        UsageError if it is not an image.
        """
        colour = (self.background if background is None else background).cpu()

        def load() -> TargetImage:
            if file in self.images:
                return fit_image(self.images[file], self.size, fit, colour).to(self.device)
            if file == FIRST_STAGE:
                raise UsageError('the target "first" needs a recipe with a table [first]', hint="name an image file")
            return load_target_image(file, self.size, fit, colour, self.notes, report_shape=True).to(self.device)

        return self.cached(("image", file, fit, tuple(colour.tolist())), load)

    def replace_image(self, file: Path, image: Image.Image) -> None:
        """Let `load_image` return an RGB image instead of reading the file."""
        self.images[file] = image
        for key in [key for key in self._cache if isinstance(key, tuple) and key[:2] == ("image", file)]:
            del self._cache[key]

    def cached(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return `make()`, called once for all components that use the same key."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]  # type: ignore[no-any-return]
