"""``type = "grid"``: overlapping tiles for pictures of any size and shape (paper, Figure 13)."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from artkit import Canvas, Phase, Scene
from artkit import Config as BaseConfig
from artkit_canvases import lattice


class Grid(Canvas):
    """A grid of square tiles that covers the picture, centred on it."""

    name = "grid"

    class Config(BaseConfig):
        """Settings."""

        tile: int = Field(64, ge=8, le=4096)
        """Side of a tile, px. Brushes grow with it."""
        overlap: int = Field(32, ge=0)
        """By how many px neighbouring tiles overlap; less than `tile`."""
        bleed: int | None = Field(None, ge=0)
        """By how many px the grid runs over the edges of the picture, so that paint reaches them; half of `overlap`
        unless told."""
        strokes: int = Field(5, ge=1)
        """Strokes per tile."""
        clip: bool = False
        """Cut strokes at the edge of their tile, as the paper's released code does; otherwise they run over it, as in
        the real program."""

        @model_validator(mode="after")
        def _check(self) -> Self:
            if self.overlap >= self.tile:
                raise ValueError(f"overlap {self.overlap} must be less than tile {self.tile}")
            return self

    config: Config

    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        assert scene.renderer is not None
        told = self.config
        self.clip = told.clip
        bleed = told.overlap // 2 if told.bleed is None else told.bleed
        margin = self.margin(scene.renderer, told.tile)
        return tuple(lattice.phases(scene.size, told.tile, told.overlap, bleed, told.strokes, margin))
