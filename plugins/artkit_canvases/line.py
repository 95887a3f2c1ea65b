"""``type = "line"``: strokes along a single line that is denser where the target is dark."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from artkit import Canvas, Phase, Scene, UsageError
from artkit import Config as BaseConfig
from artkit.geometry.free_tiles import phases_of_tiles
from artkit_canvases.line_course import short_tour, spread_points, subdivided

_MAX_GUIDE_PIXELS = 1 << 15  # the target is reduced to this size before points are spread over it
_POINTS_RATIO = 0.8  # of the strokes; the others halve the longest segments between the points
_MIN_DARKNESS = 0.02  # of white areas, which the line crosses too


class Line(Canvas):
    """A tile around each stroke of a single line through the picture. The line is denser where the target is dark.

    With the constraint `connected` the line stays one while its strokes are optimised.
    """

    name = "line"
    uses_target: ClassVar[bool] = True

    class Config(BaseConfig):
        """Settings."""

        strokes: int = Field(1000, ge=2, le=4000)
        """Number of strokes: how fine the line is."""
        tile: Annotated[int, Field(ge=8, le=4096)] = 32
        """Side of the tile of each stroke, px. The brush size scales with it."""
        contrast: Annotated[float, Field(gt=0, le=8)] = 1.5
        """How much denser the line is in the dark: the power of the target's darkness."""

    config: Config

    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        renderer = scene.renderer
        assert renderer is not None
        strokes, side = self.config.strokes, self.config.tile
        weights, scale = self._darkness(scene)
        points = spread_points(weights, max(2, round(_POINTS_RATIO * strokes))) / scale
        line = subdivided(points[short_tour(points)], strokes)
        longest = float(line.diff(dim=0).norm(dim=1).max())
        if longest > side / 2:
            raise UsageError(
                f"canvas.strokes: a line of {strokes} strokes has segments of {longest:.0f} px, longer than half of a "
                f"tile of {side} px",
                hint="set more strokes or larger tiles",
            )
        middles = line[:-1].lerp(line[1:], 0.5)
        origins = (middles - side / 2).round().long()
        tiles = torch.cat([origins, torch.full((strokes, 1), side)], dim=1)
        phases, order = phases_of_tiles(tiles, lambda side: self.margin(renderer, side))
        self.chain = order.argsort()
        on_tile = (torch.stack([line[:-1], middles, line[1:]], dim=1) - origins[:, None]) / side
        self.initial_points = on_tile[order]
        return phases

    def _darkness(self, scene: Scene) -> tuple[Tensor, float]:
        """Return how dense the line is, (h, w) > 0, and px of it per px of the picture."""
        if scene.target is None:
            width, height = scene.size
            scale = min(1.0, (_MAX_GUIDE_PIXELS / (width * height)) ** 0.5)
            return torch.ones(max(1, round(height * scale)), max(1, round(width * scale))), scale
        pixels, scale = scene.target.thumbnail(_MAX_GUIDE_PIXELS)
        grey = pixels.cpu().mean((0, 1))
        low, high = grey.quantile(0.01), grey.quantile(0.99)
        darkness = ((high - grey) / (high - low).clamp(min=1e-3)).clamp(0, 1)
        return darkness**self.config.contrast + _MIN_DARKNESS, scale
