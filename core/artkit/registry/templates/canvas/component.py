"""``type = "newcomponent"``: strokes whose size decreases."""

from __future__ import annotations

from artkit import Canvas, Config as BaseConfig, Phase, Scene
from pydantic import Field


class NewComponent(Canvas):
    """Tiles around the centre of the picture, each a little smaller than the previous one."""

    name = "newcomponent"

    class Config(BaseConfig):
        """Settings."""

        strokes: int = Field(40, ge=1)
        """Number of strokes."""
        smallest: float = Field(0.2, gt=0, le=1)
        """Side of the last tile, as a share of the first one's, which is the picture's longer side."""

    config: Config

    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        width, height = scene.size
        phases = []
        for index in range(self.config.strokes):
            share = 1 - (1 - self.config.smallest) * index / max(self.config.strokes - 1, 1)
            side = max(1, round(max(width, height) * share))
            # One tile a phase, so patches of a phase cannot overlap, whatever the renderer's margin.
            phases.append(Phase(index, (width - side) // 2, (height - side) // 2, side, 1, 1, side))
        return tuple(phases)
