"""``type = "pyramid"``: coarse to fine, large strokes below small ones."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from artkit import Canvas, Phase, Scene
from artkit import Config as BaseConfig
from artkit_canvases import lattice


class Pyramid(Canvas):
    """Grids of smaller and smaller tiles over each other, each painted on top of the one before."""

    name = "pyramid"

    class Config(BaseConfig):
        """Settings."""

        tiles: Annotated[tuple[Annotated[int, Field(ge=8, le=4096)], ...], Field(min_length=1, max_length=12)] = (
            64,
            32,
        )
        """Sides of the tiles of each level, px, in the order of painting. Brushes grow with them."""
        strokes: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, max_length=12)] = (2, 3)
        """Strokes per tile of each level."""
        overlap: float = Field(0.5, ge=0, lt=1)
        """By what share of their side neighbouring tiles overlap."""

        @model_validator(mode="after")
        def _check(self) -> Self:
            if len(self.tiles) != len(self.strokes):
                raise ValueError(f"tiles names {len(self.tiles)} levels, strokes {len(self.strokes)}")
            return self

    config: Config

    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        assert scene.renderer is not None
        made: list[Phase] = []
        for tile, strokes in zip(self.config.tiles, self.config.strokes, strict=True):
            overlap = min(round(tile * self.config.overlap), tile - 1)
            margin = self.margin(scene.renderer, tile)
            first = sum(phase.stroke_count for phase in made)
            made += lattice.phases(scene.size, tile, overlap, overlap // 2, strokes, margin, first)
        return tuple(made)
