"""``type = "colour"``: all strokes have the same colour, like those of a pen (paper §3)."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit import Colour, Constraint, Scene
from artkit_constraints.dimensions import COLOUR, TOLERANCE, dimension_indices


class SingleColour(Constraint):
    """Sets the colour of every stroke; the background keeps its own."""

    name = "colour"
    elementwise = True

    class Config(Constraint.Config):
        """Settings."""

        colour: Colour = (0.0, 0.0, 0.0)
        """Red, green and blue of the strokes."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._indices = dimension_indices(scene, self.name, *COLOUR)
        self.register_buffer("_colour", torch.tensor(config.colour, device=scene.device), persistent=False)

    _colour: Tensor

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        out = actions.clone()
        out[..., self._indices] = self._colour.to(actions)
        return out

    def is_satisfied(self, actions: Tensor) -> bool:
        return bool(((actions[..., self._indices] - self._colour.to(actions)).abs() <= TOLERANCE).all())
