"""``type = "grid"``: overlapping tiles for pictures of any size and shape (paper, Figure 13)."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from artkit import Canvas, Phase, Scene
from artkit import Config as BaseConfig
from artkit_canvases.tile_grid import TileGrid


class Grid(Canvas):
    """A grid of square tiles, centred on the picture, that covers it."""

    name = "grid"

    class Config(BaseConfig):
        """Settings."""

        tile: int = Field(64, ge=8, le=4096)
        """Side of a tile, px. Brush sizes scale with it."""
        overlap: int = Field(32, ge=0)
        """Overlap of neighbouring tiles, px; less than `tile`."""
        bleed: int | None = Field(None, ge=0)
        """Distance by which the grid extends beyond the picture, px, so that paint reaches the edges. The default is
        half of `overlap`."""
        strokes: int = Field(5, ge=1)
        """Strokes per tile."""
        clip: bool = False
        """Clip strokes at the edge of their tile, as the paper's released code does. By default strokes extend beyond
        their tile, as they do in MyPaint."""

        @model_validator(mode="after")
        def _check(self) -> Self:
            if self.overlap >= self.tile:
                raise ValueError(f"overlap {self.overlap} must be less than tile {self.tile}")
            return self

    config: Config

    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        assert scene.renderer is not None
        config = self.config
        self.clip = config.clip
        bleed = config.overlap // 2 if config.bleed is None else config.bleed
        margin = self.margin(scene.renderer, config.tile)
        grid = TileGrid.covering(scene.size, config.tile, config.overlap, bleed)
        return tuple(grid.phases(config.strokes, margin))
