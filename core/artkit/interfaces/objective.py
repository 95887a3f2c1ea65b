"""Objectives: how good is the picture? (paper §3, §5.1, §5.2)"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor, nn

from artkit.config import Config as BaseConfig
from artkit.config import FiniteFloat, Schedule
from artkit.imaging.target_image import TargetImage
from artkit.interfaces.component import Component
from artkit.interfaces.scene import Scene

if TYPE_CHECKING:
    from artkit.rendering.rendered_painting import RenderedPainting
from artkit.interfaces.view import View


class Objective(Component, nn.Module, ABC):
    """Scores a picture; lower is better.

    target: the picture to paint, if this objective has one; the loop cuts each view's target from it. margin: px around
    a part of a picture that matter for how it is scored there.
    """

    margin: ClassVar[int] = 32

    class Config(BaseConfig):
        """What every objective can be told."""

        weight: FiniteFloat | Schedule = 1.0
        """Times which the objective's value enters the loss. Or a schedule, `[[0.2, 0.0], [0.3, 1.0]]`: pairs of a
        share of the run and the weight there; in between it changes evenly, before the first and after the last pair it
        stays. While a schedule says 0 the objective takes no part."""

    target: TargetImage | None = None

    def __init__(self, config: BaseConfig, scene: Scene) -> None:
        nn.Module.__init__(self)
        self.config, self.provenance = config, {}

    def weight(self, progress: float) -> float | None:
        """Times which its value enters the loss at this share of the run; None while it takes no part."""
        told = self.config.weight  # type: ignore[attr-defined]
        if isinstance(told, float):
            return told
        places, weights = zip(*told, strict=True)
        return float(np.interp(progress, places, weights)) or None

    @abstractmethod
    def forward(self, view: View) -> Tensor:
        """How far each of the n pictures of a view is from what is wanted: (n,)."""

    def training_step(self, view: View) -> None:
        """Learn from a step's pictures, without gradient to them. Nothing by default; an
        adversarial objective trains its critic.
        """

    def evaluate(self, painting: RenderedPainting) -> list[dict[str, Any]]:
        """What judges that took no part say of the finished painting, a row each: names of columns to texts, numbers or
        booleans. They go into the run's log and report. None by default.
        """
        return []
