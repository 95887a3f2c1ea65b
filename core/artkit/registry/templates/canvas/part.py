"""``type = "newpart"``: strokes that become smaller from one to the next."""

from __future__ import annotations

from artkit import Canvas, Config as BaseConfig, Phase, Scene

from pydantic import Field


class NewPart(Canvas):
    """Tiles around the middle of the picture, each a little smaller than the one before."""

    name = "newpart"

    class Config(BaseConfig):
        """Settings."""

        strokes: int = Field(40, ge=1)
        """How many strokes."""
        smallest: float = Field(0.2, gt=0, le=1)
        """Side of the last tile, as a share of the first one's, which is the picture's longer side."""

    config: Config

    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        width, height = scene.size
        phases = []
        for number in range(self.config.strokes):
            share = 1 - (1 - self.config.smallest) * number / max(self.config.strokes - 1, 1)
            side = max(1, round(max(width, height) * share))
            # One tile a phase: so its sheets cannot overlap, however far paint runs over its edges.
            phases.append(Phase(number, (width - side) // 2, (height - side) // 2, side, 1, 1, side))
        return tuple(phases)
