"""``type = "grayscale"``: strokes without colour (paper §5.2, Figure 13)."""

from __future__ import annotations

from torch import Tensor

from artkit import Config, Constraint, Scene
from artkit_constraints.numbers import COLOUR, TOLERANCE, places


class Grayscale(Constraint):
    """Red, green and blue all become their luma (Rec. 601), of each stroke and of the ground."""

    name = "grayscale"
    elementwise = True

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._colour = places(scene, self.name, *COLOUR)

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        out = actions.clone()
        out[..., self._colour] = self.transform_background(actions[..., self._colour])
        return out

    def transform_background(self, colour: Tensor) -> Tensor:
        grey = (colour * colour.new_tensor([0.299, 0.587, 0.114])).sum(-1, keepdim=True)
        return grey.expand(colour.shape)

    def is_satisfied(self, actions: Tensor) -> bool:
        colour = actions[..., self._colour]
        return bool((colour.amax(-1) - colour.amin(-1) <= TOLERANCE).all())
