"""``type = "opaque"``: strokes as opaque as the brush can paint them."""

from __future__ import annotations

from torch import Tensor

from artkit import Config, Constraint, Scene
from artkit_constraints.dimensions import PRESSURE, TOLERANCE, dimension_indices, is_lifted


class Opaque(Constraint):
    """Sets the pressure at both ends of a stroke to 1."""

    name = "opaque"
    elementwise = True

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._pressure = dimension_indices(scene, self.name, *PRESSURE)

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        out = actions.clone()
        out[..., self._pressure] = 1.0
        return out

    def is_satisfied(self, actions: Tensor) -> bool:
        full_pressure = (actions[..., self._pressure] >= 1 - TOLERANCE).all(-1)
        return bool((full_pressure | is_lifted(actions, self._pressure)).all())
