"""``type = "pixels"``: a raster of colours, the simplest parameterization."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import Scene
from artkit_cppn.coordinate_renderer import CoordinateRenderer, array_space


class Pixels(CoordinateRenderer):
    """A square raster over the picture, interpolated linearly."""

    name = "pixels"

    class Config(BaseConfig):
        """Settings."""

        side: int = Field(64, ge=2, le=512)
        """Side of the raster in px; it covers the picture's longer side."""

    config: Config
    space = array_space("pixels-64", 3, 64, 64)

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self.space = array_space(f"pixels-{config.side}", 3, config.side, config.side)

    def colours_at(self, actions: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
        side = self.config.side
        raster = actions.view(-1, 3, side, side)
        columns, rows = (_linear_weights(value * (side / max(size)), side)[:, None] for value in (x, y))
        return rows @ raster @ columns.mT


def _linear_weights(coordinates: Tensor, side: int) -> Tensor:
    """Return the weights (m, p, side) of `side` pixels for linear interpolation at coordinates (m, p), in pixels."""
    coordinates = coordinates.clamp(0.5, side - 0.5) - 0.5
    return (1 - (coordinates[..., None] - torch.arange(side, device=coordinates.device)).abs()).clamp(min=0)
