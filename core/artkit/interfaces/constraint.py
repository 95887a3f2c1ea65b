"""Constraints: which actions are allowed? (paper §5.2)"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from artkit.config import Config
from artkit.errors import UsageError
from artkit.interfaces.component import Component
from artkit.interfaces.scene import Scene


class Constraint(Component, nn.Module, ABC):
    """Maps actions to allowed ones, differentiably. Constraints of a recipe apply in its order.

    elementwise: whether it looks at each stroke alone, so that it may be given the actions of some strokes instead of all.
    """

    elementwise: ClassVar[bool] = False

    def __init__(self, config: Config, scene: Scene) -> None:
        nn.Module.__init__(self)
        self.config, self.provenance, self.scene = config, {}, scene

    @abstractmethod
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        """Actions (n, N, A) in [0, 1] -> allowed actions of the same shape. progress: 0 at the first step of a run,
        1 at the last.
        """

    def transform_background(self, colour: Tensor) -> Tensor:
        """What it makes of the bare canvas's colour, RGB (3,) in [0, 1]. Nothing unless told."""
        return colour

    def is_satisfied(self, actions: Tensor) -> bool:
        """Whether the actions (n, N, A) of a finished picture are as it wants them, also after other constraints have
        changed them. True unless told.
        """
        return True


def check_compatible(constraints: Mapping[str, Constraint], actions: Tensor) -> None:
    """Raises UsageError if a constraint of a recipe, by its name there, undoes what an earlier one has done to actions
    (n, N, A), any ones.
    """
    done: list[str] = []
    for name, constraint in constraints.items():
        actions = constraint(actions, 1.0)
        for earlier in done:
            if not constraints[earlier].is_satisfied(actions):
                other_way = constraints[earlier](actions, 1.0)
                mends = all(constraints[each].is_satisfied(other_way) for each in (*done, name))
                raise UsageError(
                    f"constraint.{name} undoes what constraint.{earlier} has done",
                    hint=f"put [constraint.{earlier}] after it" if mends else "remove one of them",
                )
        done.append(name)
