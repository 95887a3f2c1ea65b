"""``type = "single"``: strokes that may span the whole picture, one after the other."""

from __future__ import annotations

from pydantic import Field

from artkit import Canvas, Phase, Scene
from artkit import Config as BaseConfig


class Single(Canvas):
    """One tile, as large as the picture's longer side and centred on it."""

    name = "single"

    class Config(BaseConfig):
        """Settings."""

        strokes: int = Field(40, ge=1)
        """How many strokes."""

    config: Config

    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        width, height = scene.size
        side = max(width, height)
        x, y = -((side - width) // 2), -((side - height) // 2)
        return tuple(Phase(number, x, y, side, 1, 1, side) for number in range(self.config.strokes))
