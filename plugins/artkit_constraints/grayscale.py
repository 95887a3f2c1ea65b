"""``type = "grayscale"``: strokes without colour (paper §5.2, Figure 13)."""

from __future__ import annotations

from torch import Tensor

from artkit.config import Config
from artkit.constraint import Constraint
from artkit.errors import UsageError
from artkit.part import Scene


class Grayscale(Constraint):
    """Red, green and blue of an action all become their luma (Rec. 601), which is one number to learn."""

    name = "grayscale"
    alone = True

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        assert scene.renderer is not None
        if not scene.renderer.space.has("red", "green", "blue"):
            raise UsageError("grayscale needs strokes that have a colour", remedy="remove the constraint")
        self._colour = scene.renderer.space.index("red", "green", "blue")

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        weights = actions.new_tensor([0.299, 0.587, 0.114])
        grey = (actions[..., self._colour] * weights).sum(-1, keepdim=True)
        out = actions.clone()
        out[..., self._colour] = grey.expand(*grey.shape[:-1], 3)
        return out
