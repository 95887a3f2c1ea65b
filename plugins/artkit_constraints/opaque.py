"""``type = "opaque"``: strokes through which as little shines as the brush can."""

from __future__ import annotations

from torch import Tensor

from artkit import Config, Constraint, Scene
from artkit_constraints.numbers import PRESSURE, TOLERANCE, is_lifted, places


class Opaque(Constraint):
    """The pen is pressed fully at both ends of a stroke."""

    name = "opaque"
    elementwise = True

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._pressure = places(scene, self.name, *PRESSURE)

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        out = actions.clone()
        out[..., self._pressure] = 1.0
        return out

    def is_satisfied(self, actions: Tensor) -> bool:
        pressed = (actions[..., self._pressure] >= 1 - TOLERANCE).all(-1)
        return bool((pressed | is_lifted(actions, self._pressure)).all())
