"""``type = "colour"``: all strokes of one colour, as a pen has it (paper §3)."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit import Colour as Rgb
from artkit import Config as BaseConfig
from artkit import Constraint, Scene
from artkit_constraints.numbers import COLOUR, TOLERANCE, places


class Colour(Constraint):
    """Every stroke has one and the same colour; the ground keeps its own."""

    name = "colour"
    elementwise = True

    class Config(BaseConfig):
        """Settings."""

        colour: Rgb = (0.0, 0.0, 0.0)
        """Red, green and blue of the strokes."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._places = places(scene, self.name, *COLOUR)
        self.register_buffer("_colour", torch.tensor(config.colour, device=scene.device), persistent=False)

    _colour: Tensor

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        out = actions.clone()
        out[..., self._places] = self._colour.to(actions)
        return out

    def is_satisfied(self, actions: Tensor) -> bool:
        return bool(((actions[..., self._places] - self._colour.to(actions)).abs() <= TOLERANCE).all())
