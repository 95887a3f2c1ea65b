"""``type = "newpart"``: nothing goes to extremes."""

from __future__ import annotations

from artkit import Config as BaseConfig, Constraint, UnitFloat

from typing import Self

from pydantic import model_validator
from torch import Tensor


class NewPart(Constraint):
    """Each number of an action is squeezed into a part of its range."""

    name = "newpart"

    class Config(BaseConfig):
        """Settings."""

        low: UnitFloat = 0.1
        """What 0 becomes."""
        high: UnitFloat = 0.9
        """What 1 becomes; more than `low`."""

        @model_validator(mode="after")
        def _check(self) -> Self:
            if self.low >= self.high:
                raise ValueError(f"low {self.low:g} must be less than high {self.high:g}")
            return self

    config: Config

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        return self.config.low + (self.config.high - self.config.low) * actions
