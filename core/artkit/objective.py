"""Objectives: how good is the picture? (paper §3, §5.1, §5.2)"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from torch import Tensor, nn

from artkit.config import Config as BaseConfig
from artkit.config import Finite, Schedule
from artkit.geometry import Window
from artkit.images import Picture
from artkit.part import Part, Scene

if TYPE_CHECKING:
    from artkit.painting import Painting

T = TypeVar("T")


@dataclass
class View:
    """What an objective sees of a picture in a step.

    image (n, 3, h, w) in [0, 1]: the window of the painting, which is all of it or, of a large picture, a part, or all
    of it much smaller. target (n or 1, 3, h, w): the same window of what is to be
    painted, or None. progress: 0 at the first step, 1 at the last. actions (n, N, A): the strokes of the picture as
    they were painted. proposed (n, N, A): what the agent proposed, before the constraints. Both are None where a step
    does not ask for all strokes. labels (n,) int64: the classes of the targets, or None if they have none.
    """

    image: Tensor
    target: Tensor | None
    window: Window
    progress: float
    actions: Tensor | None = None
    proposed: Tensor | None = None
    labels: Tensor | None = None
    _made: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returns, called once a step for all objectives that ask with the same key: those that look at
        the picture through one network share one pass of it.
        """
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]  # type: ignore[no-any-return]

    def towards(self, target: Tensor | None) -> View:
        """The same view with another target; what was made for it is shared."""
        return replace(self, target=target)


class Objective(Part, nn.Module, ABC):
    """Scores a picture; lower is better.

    target: the picture to paint, if this objective has one; the loop cuts each view's target from it. margin: px around
    a part of a picture that matter for how it is scored there.
    """

    margin: ClassVar[int] = 32

    class Config(BaseConfig):
        """What every objective can be told."""

        weight: Finite | Schedule = 1.0
        """Times which the objective's value enters the loss. Or a schedule, `[[0.2, 0.0], [0.3, 1.0]]`: pairs of a
        share of the run and the weight there; in between it changes evenly, before the first and after the last pair it
        stays. While a schedule says 0 the objective takes no part."""

    target: Picture | None = None

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

    def learn(self, view: View) -> None:
        """Learn from a step's pictures, without gradient to them. Nothing by default; an
        adversarial objective trains its critic.
        """

    def verdicts(self, painting: Painting) -> list[dict[str, Any]]:
        """What judges that took no part say of the finished painting, a row each: names of columns to texts, numbers or
        booleans. They go into the run's log and report. None by default.
        """
        return []
