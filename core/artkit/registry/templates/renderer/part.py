"""``type = "newpart"``: round dots of paint."""

from __future__ import annotations

from artkit import ActionSpace, Config as BaseConfig, Dimension, Place, Renderer, StrokePatches

import math

import torch
from pydantic import Field
from torch import Tensor


SMALLEST, LARGEST = 0.05, 0.4  # radius, tile units


class NewPart(Renderer):
    """Dots with a soft edge."""

    name = "newpart"
    space = ActionSpace(
        "newpart-1",
        (
            Dimension("x", "tile"),
            Dimension("y", "tile"),
            Dimension("radius", "tile", SMALLEST, LARGEST),
            Dimension("red"),
            Dimension("green"),
            Dimension("blue"),
        ),
    )

    class Config(BaseConfig):
        """Settings."""

        softness: float = Field(0.2, gt=0, le=1)
        """Width of the edge, tile units."""

    config: Config

    def margin(self, side: int) -> int:
        return math.ceil((LARGEST + self.config.softness / 2) * side)

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        pixel = (torch.arange(place.patch_size, device=actions.device) + 0.5 - place.margin) / place.side
        x, y, size = (actions[:, number, None, None] for number in range(3))
        distance = ((pixel[None, None, :] - x).square() + (pixel[None, :, None] - y).square() + 1e-8).sqrt()
        radius = SMALLEST + (LARGEST - SMALLEST) * size
        coverage = ((radius - distance) / self.config.softness + 0.5).clamp(0, 1)
        return StrokePatches(colour=actions[:, 3:, None, None], coverage=coverage[:, None])
