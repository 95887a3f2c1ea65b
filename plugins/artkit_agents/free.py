"""``type = "free"``: every number of every action is a parameter of its own (paper §5)."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from artkit.agent import Agent
from artkit.config import Config as BaseConfig
from artkit.errors import UsageError
from artkit.part import Scene

PositiveLength = Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)]

_EDGE = 0.02  # actions start this far from 0 and 1, where the sigmoid still has a slope


class Free(Agent):
    """Actions are the sigmoid of the parameters.

    Strokes that have places start evenly spread over their tiles. With `start = "target"` they follow the edges of what
    is to be painted and take its colours, large ones below small ones.
    """

    name = "free"

    class Config(BaseConfig):
        """Settings."""

        start: Literal["auto", "target", "random"] = "auto"
        """How the strokes start: after the target, at random, or after the target if there is one (`auto`)."""
        pictures: int = Field(1, ge=1, le=64)
        """How many pictures to paint at once, from different starts; the first is kept."""
        length: tuple[PositiveLength, PositiveLength] = (0.55, 0.2)
        """Lengths that strokes start with, in tiles: of the first layer, and of the last."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        assert scene.renderer is not None
        self._space = scene.renderer.space
        actions = torch.rand(config.pictures, scene.actions, len(self._space), generator=scene.generator)
        if self._space.has("start_x", "middle_x", "end_x"):
            self._spread(actions, scene)
        actions = actions.clamp(_EDGE, 1 - _EDGE)
        self.parameters_of_actions = nn.Parameter(torch.logit(actions))

    def forward(self, scene: Scene) -> Tensor:
        return torch.sigmoid(self.parameters_of_actions)

    def _spread(self, actions: Tensor, scene: Scene) -> None:
        """Place strokes evenly, in place: the k-th stroke of a tile starts in the k-th cell of a grid in the tile."""
        assert scene.canvas is not None
        n, count, _ = actions.shape
        tiles = scene.canvas.tiles()
        _, tile = torch.unique(tiles, dim=0, return_inverse=True)
        layer = _rank(tile)
        layers = int(layer.max()) + 1
        depth = layer / max(layers - 1, 1)
        random = torch.rand(n, count, 4, generator=scene.generator)
        # A low-discrepancy sequence with a random shift a tile spreads each tile's strokes (R2, Roberts 2018).
        golden = 1.32471795724474602596
        step = torch.tensor([1 / golden, 1 / golden**2], dtype=torch.float64)
        shift = torch.rand(n, int(tile.max()) + 1, 2, generator=scene.generator)[:, tile]
        middle = (shift + (layer[:, None] * step).float()) % 1.0
        long, short = self.config.length
        length = (long + (short - long) * depth) * (0.7 + 0.6 * random[..., 0])
        angle = math.pi * random[..., 1]
        target = scene.target if self.config.start != "random" else None
        if self.config.start == "target" and target is None:
            raise UsageError('agent.start = "target" needs an objective that has a target', remedy='use "auto"')
        names = ("start_x", "start_y", "middle_x", "middle_y", "end_x", "end_y")
        if target is not None:
            where = tiles[:, :2] + middle * tiles[:, 2:]  # px of the picture
            colour, edge = _look(target.pixels.cpu(), where)
            angle = edge + (random[..., 1] - 0.5) * 0.5
            if self._space.has("red", "green", "blue"):
                actions[..., self._space.index("red", "green", "blue")] = colour
        along = torch.stack([angle.cos(), angle.sin()], dim=-1) * length[..., None] / 2
        points = torch.cat([middle - along, middle, middle + along], dim=-1)
        actions[..., self._space.index(*names)] = points
        if self._space.has("size"):
            actions[..., self._space.index("size")[0]] = 0.75 - 0.35 * depth + 0.15 * (random[..., 2] - 0.5)
        if self._space.has("start_pressure", "end_pressure"):
            pressures = self._space.index("start_pressure", "end_pressure")
            actions[..., pressures] = 0.55 + 0.2 * (actions[..., pressures] - 0.5)


def _rank(tile: Tensor) -> Tensor:
    """For each stroke, how many strokes of the same tile come before it."""
    order = torch.argsort(tile, stable=True)
    sorted_tiles = tile[order]
    position = torch.arange(len(tile))
    first = torch.searchsorted(sorted_tiles, sorted_tiles)
    rank = torch.empty_like(tile)
    rank[order] = position - first
    return rank


def _look(pixels: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """Colours (n, N, 3) of a picture (1, 3, h, w) at points (n, N, 2) in px, and the angles (n, N) along its edges."""
    height, width = pixels.shape[-2:]
    blurred = F.avg_pool2d(F.pad(pixels, (2, 2, 2, 2), mode="replicate"), 5, 1)
    grey = F.avg_pool2d(F.pad(blurred.mean(1, keepdim=True), (3, 3, 3, 3), mode="replicate"), 7, 1)
    gx = F.pad(grey.diff(dim=-1), (0, 1, 0, 0))
    gy = F.pad(grey.diff(dim=-2), (0, 0, 0, 1))
    # The structure tensor, smoothed, has its main axis across the edges.
    tensor = F.avg_pool2d(torch.cat([gx * gx, gy * gy, gx * gy], 1), 9, 1, 4)
    x = where[..., 0].round().long().clamp(0, width - 1)
    y = where[..., 1].round().long().clamp(0, height - 1)
    xx, yy, xy = (tensor[0, index][y, x] for index in range(3))
    across = 0.5 * torch.atan2(2 * xy, xx - yy)
    return blurred[0][:, y, x].permute(1, 2, 0), across + math.pi / 2
