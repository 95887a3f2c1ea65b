"""``type = "newcomponent"``: limits the range of every number of an action."""

from __future__ import annotations

from typing import Self

from artkit import Constraint, UnitFloat
from pydantic import model_validator
from torch import Tensor


class NewComponent(Constraint):
    """Scales the numbers of all actions from [0, 1] to [low, high]."""

    name = "newcomponent"
    elementwise = True

    class Config(Constraint.Config):
        """Settings."""

        low: UnitFloat = 0.1
        """The value that 0 is mapped to."""
        high: UnitFloat = 0.9
        """The value that 1 is mapped to; more than `low`."""

        @model_validator(mode="after")
        def _check(self) -> Self:
            if self.low >= self.high:
                raise ValueError(f"low {self.low:g} must be less than high {self.high:g}")
            return self

    config: Config

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return self.config.low + (self.config.high - self.config.low) * actions

    def inverse(self, actions: Tensor) -> Tensor:
        return ((actions - self.config.low) / (self.config.high - self.config.low)).clamp(0, 1)
