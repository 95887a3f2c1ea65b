"""Constraints: map actions to allowed actions (paper §5.2)."""

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
    """Maps actions to allowed actions, differentiably. The constraints of a recipe apply in its order.

    elementwise: whether each stroke is mapped independently of the others. If all constraints of a recipe are
    elementwise, a step of a large picture computes only the strokes that it needs.
    """

    elementwise: ClassVar[bool] = False

    def __init__(self, config: Config, scene: Scene) -> None:
        nn.Module.__init__(self)
        self.config, self.provenance, self.scene = config, {}, scene

    @abstractmethod
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        """Return the allowed actions for actions (n, N, A) in [0, 1]; same shape and range.

        progress: 0 at the first step of a run, 1 at the last. The input must not be modified in place.
        """

    def transform_background(self, colour: Tensor) -> Tensor:
        """Return the background colour, RGB (3,) in [0, 1], under this constraint. Unchanged by default."""
        return colour

    def is_satisfied(self, actions: Tensor) -> bool:
        """Return whether the actions (n, N, A) of a finished painting satisfy this constraint. True by default.

        Used by `check_compatible` to find constraints that undo each other.
        """
        return True


def check_compatible(constraints: Mapping[str, Constraint], actions: Tensor) -> None:
    """Raise UsageError if a constraint undoes an earlier one.

    constraints: by their names in the recipe, in its order. actions (n, N, A): any actions to try them on.
    """
    applied: list[str] = []
    for name, constraint in constraints.items():
        actions = constraint(actions, 1.0)
        for earlier in applied:
            if not constraints[earlier].is_satisfied(actions):
                reordered = constraints[earlier](actions, 1.0)
                reordering_helps = all(constraints[other].is_satisfied(reordered) for other in (*applied, name))
                raise UsageError(
                    f"constraint.{name} undoes what constraint.{earlier} has done",
                    hint=f"put [constraint.{earlier}] after it" if reordering_helps else "remove one of them",
                )
        applied.append(name)
