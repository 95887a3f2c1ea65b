"""``type = "pyramid"``: grids from coarse to fine, large strokes below small ones."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from artkit import Canvas, Phase, Scene
from artkit import Config as BaseConfig
from artkit_canvases.tile_grid import TileGrid


class Pyramid(Canvas):
    """Several grids; each is painted on top of the one before, usually with smaller tiles."""

    name = "pyramid"

    class Config(BaseConfig):
        """Settings."""

        tiles: Annotated[tuple[Annotated[int, Field(ge=8, le=4096)], ...], Field(min_length=1, max_length=12)] = (
            64,
            32,
        )
        """Side of the tiles of each level, px, in painting order. Brush sizes scale with it."""
        strokes: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, max_length=12)] = (2, 3)
        """Strokes per tile of each level."""
        overlap: float = Field(0.5, ge=0, lt=1)
        """Overlap of neighbouring tiles, as a fraction of their side."""

        @model_validator(mode="after")
        def _check(self) -> Self:
            if len(self.tiles) != len(self.strokes):
                raise ValueError(f"tiles has {len(self.tiles)} levels, but strokes has {len(self.strokes)}")
            return self

    config: Config

    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        assert scene.renderer is not None
        phases: list[Phase] = []
        for tile, strokes in zip(self.config.tiles, self.config.strokes, strict=True):
            overlap = min(round(tile * self.config.overlap), tile - 1)
            margin = self.margin(scene.renderer, tile)
            first_stroke = sum(phase.stroke_count for phase in phases)
            phases += TileGrid.covering(scene.size, tile, overlap, overlap // 2).phases(strokes, margin, first_stroke)
        return tuple(phases)
