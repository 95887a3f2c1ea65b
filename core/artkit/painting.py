"""A painting to export: a stroke log and a renderer, from which any window can be had at any scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from artkit.geometry import Window
from artkit.renderer import Renderer
from artkit.strokes import StrokeLog

STRIP = 1 << 22
"""Pixels of the strips in which a picture is painted when it leaves whole."""


@dataclass(frozen=True)
class Painting:
    """What an exporter gets. scale: times the size that the recipe says. texts: what the file should tell of itself."""

    log: StrokeLog
    renderer: Renderer
    scale: float = 1.0
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        return round(self.log.size[0] * self.scale), round(self.log.size[1] * self.scale)

    @torch.no_grad()
    def window(self, x: int, y: int, width: int, height: int) -> Tensor:
        """The pixels of a rectangle: (3, height, width), sRGB in [0, 1]."""
        picture = self.renderer.replay(self.log, Window(x, y, width, height, self.scale))
        return picture.clamp(0, 1).cpu()

    def strips(self) -> Iterator[Tensor]:
        """The picture in strips from top to bottom, so that memory stays bounded: (3, h, width) each."""
        width, height = self.size
        rows = max(1, STRIP // width)
        for y in range(0, height, rows):
            yield self.window(0, y, width, min(rows, height - y))

    def whole(self) -> Tensor:
        """The whole picture: (3, h, w)."""
        return torch.cat(list(self.strips()), dim=1)
