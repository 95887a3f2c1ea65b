"""``type = "pixels"``: a raster of colours, the plainest parameterization there is."""

from __future__ import annotations

import torch
from pydantic import Field as Setting
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import Scene
from artkit_cppn.field import Field, numbers


class Pixels(Field):
    """A square raster over the picture, with colours in between where it is finer."""

    name = "pixels"

    class Config(BaseConfig):
        """Settings."""

        side: int = Setting(64, ge=2, le=512)
        """Pixels of the raster along the picture's longer side."""

    config: Config
    space = numbers("pixels-64", 3, 64, 64)

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self.space = numbers(f"pixels-{config.side}", 3, config.side, config.side)

    def colours(self, actions: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
        side = self.config.side
        raster = actions.view(-1, 3, side, side)
        across, down = (_between(value * (side / max(size)), side)[:, None] for value in (x, y))
        return down @ raster @ across.mT


def _between(at: Tensor, side: int) -> Tensor:
    """How much each of `side` pixels counts at places (m, p), in pixels of the raster: (m, p, side)."""
    at = at.clamp(0.5, side - 0.5) - 0.5
    return (1 - (at[..., None] - torch.arange(side, device=at.device)).abs()).clamp(min=0)
