"""Base class of the constraints that keep dimensions of an action in a range."""

from __future__ import annotations

from typing import Self

import torch
from pydantic import model_validator
from torch import Tensor

from artkit import Constraint, Scene, UnitFloat
from artkit_constraints.dimensions import TOLERANCE, dimension_indices


class RangeConstraint(Constraint):
    """Rescales dimensions of an action to a range. Subclasses set `dimensions`, their names."""

    elementwise = True
    dimensions: tuple[str, ...]

    class Config(Constraint.Config):
        """Settings."""

        smallest: UnitFloat = 0.0
        """Lower bound, in [0, 1]."""
        largest: UnitFloat = 1.0
        """Upper bound, in [0, 1]."""

        @model_validator(mode="after")
        def _check(self) -> Self:
            if self.smallest > self.largest:
                raise ValueError(f"smallest {self.smallest:g} is more than largest {self.largest:g}")
            return self

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._indices = dimension_indices(scene, type(self).name, *self.dimensions)

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        # Rescale instead of clamping: clamped values have no gradient.
        low, high = self.config.smallest, self.config.largest
        out = actions.clone()
        out[..., self._indices] = low + (high - low) * actions[..., self._indices]
        return out

    def inverse(self, actions: Tensor) -> Tensor:
        low, high = self.config.smallest, self.config.largest
        out = actions.clone()
        if high > low:
            rescaled = ((actions[..., self._indices] - low) / (high - low)).clamp(0, 1)
            out[..., self._indices] = torch.where(self._is_exempt(actions)[..., None], 0.0, rescaled)
        return out

    def is_satisfied(self, actions: Tensor) -> bool:
        values = actions[..., self._indices]
        in_range = (values >= self.config.smallest - TOLERANCE) & (values <= self.config.largest + TOLERANCE)
        return bool((in_range.all(-1) | self._is_exempt(actions)).all())

    def _is_exempt(self, actions: Tensor) -> Tensor:
        """Return a mask (n, N) of the actions (n, N, A) that may be out of range. The default is none."""
        return torch.zeros(actions.shape[:-1], dtype=torch.bool, device=actions.device)
