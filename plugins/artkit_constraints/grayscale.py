"""``type = "grayscale"``: strokes without colour (paper §5.2, Figure 13)."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit import Config, Constraint, Scene
from artkit_constraints.dimensions import COLOUR, TOLERANCE, dimension_indices


class Grayscale(Constraint):
    """Replaces red, green and blue of each stroke and of the background by their luma (Rec. 601)."""

    name = "grayscale"
    elementwise = True

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._indices = dimension_indices(scene, self.name, *COLOUR)
        self._weights = torch.tensor([0.299, 0.587, 0.114], device=scene.device)

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        out = actions.clone()
        out[..., self._indices] = self.transform_background(actions[..., self._indices])
        return out

    def transform_background(self, colour: Tensor) -> Tensor:
        luma = (colour * self._weights.to(colour)).sum(-1, keepdim=True)
        return luma.expand(colour.shape)

    def is_satisfied(self, actions: Tensor) -> bool:
        colours = actions[..., self._indices]
        return bool((colours.amax(-1) - colours.amin(-1) <= TOLERANCE).all())
