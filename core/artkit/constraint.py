"""Constraints: which actions are allowed? (paper §5.2)"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from artkit.config import Config
from artkit.part import Part, Scene


class Constraint(Part, nn.Module, ABC):
    """Maps actions to allowed ones, differentiably. Constraints of a recipe apply in its order.

    alone: whether it looks at each stroke alone, so that it may be given the actions of some strokes instead of all.
    """

    alone: ClassVar[bool] = False

    def __init__(self, config: Config, scene: Scene) -> None:
        nn.Module.__init__(self)
        self.config, self.provenance, self.scene = config, {}, scene

    @abstractmethod
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        """Actions (n, N, A) in [0, 1] -> allowed actions of the same shape. progress: 0 at the first step of a run,
        1 at the last.
        """
