"""``type = "newcomponent"``: round dots."""

from __future__ import annotations

import math

import torch
from artkit import ActionSpace, Config as BaseConfig, Dimension, Place, Renderer, StrokePatches
from pydantic import Field
from torch import Tensor


MIN_RADIUS, MAX_RADIUS = 0.05, 0.4  # tile units


class NewComponent(Renderer):
    """Dots with a soft edge."""

    name = "newcomponent"
    space = ActionSpace(
        "newcomponent-1",
        (
            Dimension("x", "tile"),
            Dimension("y", "tile"),
            Dimension("radius", "tile", MIN_RADIUS, MAX_RADIUS),
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
        return math.ceil((MAX_RADIUS + self.config.softness / 2) * side)

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        pixel = (torch.arange(place.patch_size, device=actions.device) + 0.5 - place.margin) / place.side
        x, y, size = (actions[:, index, None, None] for index in range(3))
        distance = ((pixel[None, None, :] - x).square() + (pixel[None, :, None] - y).square() + 1e-8).sqrt()
        radius = MIN_RADIUS + (MAX_RADIUS - MIN_RADIUS) * size
        coverage = ((radius - distance) / self.config.softness + 0.5).clamp(0, 1)
        return StrokePatches(colour=actions[:, 3:, None, None], coverage=coverage[:, None])
