"""Constraints: map actions to allowed actions (paper §5.2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from artkit.config import Config as BaseConfig
from artkit.errors import UsageError
from artkit.interfaces.component import Component
from artkit.interfaces.scene import Scene


class Constraint(Component, nn.Module, ABC):
    """Maps actions to allowed actions, differentiably. The constraints of a recipe apply in its order.

    Its Config is a subclass of `Constraint.Config`. elementwise: whether each stroke is mapped independently of the
    others. If all constraints of a recipe are elementwise, a step of a large picture computes only the strokes that it
    needs.

    Examples:
        >>> import artkit, torch
        >>> class Upper(artkit.Constraint):
        ...     '''All numbers of an action in the upper half of their range.'''
        ...     name = "upper"
        ...     elementwise = True
        ...     def forward(self, actions, progress):
        ...         return (1 + actions) / 2
        >>> artkit.scene().make("constraint", Upper)(torch.zeros(1, 2, 12), progress=0.0).min()
        tensor(0.5000)
    """

    elementwise: bool = False

    class Config(BaseConfig):
        """Settings of every constraint."""

        levels: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] | None = None
        """Levels of the canvas whose strokes the constraint applies to, 1 for the one painted first: `[2]`. By default
        it applies to all strokes and to the background; with levels, the background stays as it is."""

    def __init__(self, config: BaseConfig, scene: Scene) -> None:
        nn.Module.__init__(self)
        self.config, self.provenance, self.scene = config, {}, scene

    @abstractmethod
    def forward(self, actions: Tensor, progress: float) -> Tensor:
        """Return the allowed actions for actions (n, N, A) in [0, 1]; same shape and range.

        progress: 0 at the first step of a run, 1 at the last. The input must not be modified in place.
        """

    def constrain(self, actions: Tensor, progress: float, indices: Tensor | None = None) -> Tensor:
        """Return the allowed actions of all strokes, or of those with the given indices (m,) if it is elementwise."""
        constrained: Tensor = self(actions, progress)
        return constrained

    def inverse(self, actions: Tensor) -> Tensor:
        """Return actions (n, N, A) that this constraint maps to the given ones, as nearly as there are such actions.

        Used to begin from the strokes of a painting, which may be NaN. By default the actions themselves; a constraint
        that changes permitted actions, by rescaling them for example, should override it.
        """
        return actions

    def transform_background(self, colour: Tensor) -> Tensor:
        """Return the background colour, RGB (3,) in [0, 1], under this constraint. Unchanged by default."""
        return colour

    def is_satisfied(self, actions: Tensor) -> bool:
        """Return whether the actions (n, N, A) of a finished painting satisfy this constraint. True by default.

        Used by `check_compatible` to find constraints that undo each other.
        """
        return True


class LevelConstraint(Constraint):
    """Applies a constraint to some strokes of a canvas only.

    constraint: built for a canvas of these strokes alone. selected (N,): whether it applies to each stroke, bool.
    """

    selected: Tensor

    def __init__(self, constraint: Constraint, selected: Tensor, scene: Scene) -> None:
        super().__init__(constraint.config, scene)
        self.constraint, self.elementwise, self.scheduled = constraint, constraint.elementwise, constraint.scheduled
        self.register_buffer("selected", selected.to(scene.device), persistent=False)

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        """See `Constraint.forward`."""
        return self.constrain(actions, progress)

    def constrain(self, actions: Tensor, progress: float, indices: Tensor | None = None) -> Tensor:
        """See `Constraint.constrain`."""
        return self._replaced(actions, lambda own: self.constraint(own, progress), indices)

    def inverse(self, actions: Tensor) -> Tensor:
        """See `Constraint.inverse`."""
        return self._replaced(actions, self.constraint.inverse)

    def is_satisfied(self, actions: Tensor) -> bool:
        """See `Constraint.is_satisfied`."""
        return self.constraint.is_satisfied(actions[:, self.selected])

    def _replaced(self, actions: Tensor, function: Callable[[Tensor], Tensor], indices: Tensor | None = None) -> Tensor:
        """Return actions (n, m, A) with those of the selected strokes replaced by the function of them."""
        selected = self.selected if indices is None else self.selected[indices.to(self.selected.device)]
        if not selected.any():
            return actions
        out = actions.clone()
        out[:, selected] = function(actions[:, selected])
        return out


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
