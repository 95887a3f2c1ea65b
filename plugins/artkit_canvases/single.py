"""``type = "single"``: a single tile whose strokes may span the whole picture."""

from __future__ import annotations

from pydantic import Field

from artkit import Canvas, Phase, Scene
from artkit import Config as BaseConfig


class Single(Canvas):
    """One square tile, centred on the picture; its side is the longer side of the picture."""

    name = "single"

    class Config(BaseConfig):
        """Settings."""

        strokes: int = Field(40, ge=1)
        """Number of strokes."""

    config: Config

    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        width, height = scene.size
        side = max(width, height)
        x, y = -((side - width) // 2), -((side - height) // 2)
        return tuple(Phase(index, x, y, side, 1, 1, side) for index in range(self.config.strokes))
