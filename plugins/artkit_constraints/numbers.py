"""What constraints have in common: the numbers of an action that they change."""

from __future__ import annotations

from typing import Self

import torch
from pydantic import model_validator
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import Constraint, Scene, UnitFloat, UsageError

COLOUR = ("red", "green", "blue")
PRESSURE = ("start_pressure", "end_pressure")

TOLERANCE = 1e-5


def places(scene: Scene, constraint: str, *names: str) -> list[int]:
    """Where the numbers of these names lie in an action. Raises UsageError if the renderer's actions have none."""
    assert scene.renderer is not None
    if not scene.renderer.space.has(*names):
        wanted = "colour" if names == COLOUR else names[0].replace("_", " ")
        raise UsageError(f"{constraint} needs strokes that have a {wanted}", hint="remove the constraint")
    return scene.renderer.space.index(*names)


def lift(actions: Tensor, pressure: list[int], lifted: Tensor) -> Tensor:
    """Actions (n, N, A) of which some, lifted (n, N), are made with the pen in the air."""
    out = actions.clone()
    out[..., pressure] = actions[..., pressure] * (~lifted)[..., None]
    return out


def is_lifted(actions: Tensor, pressure: list[int]) -> Tensor:
    """Which of the actions (n, N, A) are made with the pen in the air: (n, N)."""
    return (actions[..., pressure] == 0).all(-1)


class Range(Constraint):
    """Keeps some numbers of an action in a range. A subclass names them."""

    elementwise = True
    numbers: tuple[str, ...]

    class Config(BaseConfig):
        """Settings."""

        smallest: UnitFloat = 0.0
        """The least it may be, in [0, 1]."""
        largest: UnitFloat = 1.0
        """The most it may be, in [0, 1]."""

        @model_validator(mode="after")
        def _check(self) -> Self:
            if self.smallest > self.largest:
                raise ValueError(f"smallest {self.smallest:g} is more than largest {self.largest:g}")
            return self

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._places = places(scene, type(self).name, *self.numbers)

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        # Scaled rather than cut, so that no stroke loses its gradient.
        low, high = self.config.smallest, self.config.largest
        out = actions.clone()
        out[..., self._places] = low + (high - low) * actions[..., self._places]
        return out

    def is_satisfied(self, actions: Tensor) -> bool:
        values = actions[..., self._places]
        inside = (values >= self.config.smallest - TOLERANCE) & (values <= self.config.largest + TOLERANCE)
        return bool((inside.all(-1) | self._excused(actions)).all())

    def _excused(self, actions: Tensor) -> Tensor:
        """Which actions (n, N, A) need not be in the range: (n, N)."""
        return torch.zeros(actions.shape[:-1], dtype=torch.bool, device=actions.device)
