"""Grids of tiles and their phases, used by `grid`, `pyramid` and `adaptive`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from artkit import Phase


@dataclass(frozen=True)
class TileGrid:
    """Rows and columns of square tiles that are centred on a picture and cover it.

    left, top: upper left of the first tile. tile: side of a tile. stride: distance between neighbouring tiles. In px.
    """

    left: int
    top: int
    tile: int
    stride: int
    rows: int
    columns: int

    @classmethod
    def covering(cls, size: tuple[int, int], tile: int, overlap: int, bleed: int) -> Self:
        """Return the grid that covers a picture.

        size: width and height of the picture. tile: side of a tile. overlap: of neighbouring tiles. bleed: distance by
        which the grid extends beyond the picture. All in px.
        """
        stride = tile - overlap
        columns, rows = (max(1, -(-(length + 2 * bleed - overlap) // stride)) for length in size)
        left, top = (
            -((stride * (count - 1) + tile - length) // 2) for count, length in zip((columns, rows), size, strict=True)
        )
        return cls(left, top, tile, stride, rows, columns)

    def phases(self, strokes: int | Tensor, margin: int, first_stroke: int = 0) -> list[Phase]:
        """Return the phases of the strokes of the tiles.

        strokes: the number of strokes of every tile, or of each, (rows, columns) int64. margin: width in px of the
        border around a tile that is rendered with it. first_stroke: index of the first stroke.

        Strokes are ordered in layers: the first stroke of every tile, then the second stroke of every tile, and so on.
        The order of the phases rotates from layer to layer, so that the same corner of a tile is not always on top.
        """
        # A phase takes every n-th tile, so that its patches do not overlap.
        every = -(-(self.tile + 2 * margin) // self.stride)
        offsets = [(row, column) for row in range(min(every, self.rows)) for column in range(min(every, self.columns))]
        layers = strokes if isinstance(strokes, int) else int(strokes.max())
        phases: list[Phase] = []
        for layer in range(layers):
            rotation = layer * len(offsets) // layers
            for row, column in offsets[rotation:] + offsets[:rotation]:
                phase = Phase(
                    first=first_stroke,
                    x=self.left + column * self.stride,
                    y=self.top + row * self.stride,
                    pitch=every * self.stride,
                    rows=-(-(self.rows - row) // every),
                    columns=-(-(self.columns - column) // every),
                    side=self.tile,
                )
                if isinstance(strokes, Tensor):
                    occupied = strokes[row::every, column::every] > layer
                    if not occupied.any():
                        continue
                    phase = phase.with_cells(occupied)
                phases.append(phase)
                first_stroke += phase.stroke_count
        return phases

    def means(self, image: Tensor, scale: float) -> Tensor:
        """Return the mean of an image (h, w) over each tile, without its parts beyond the picture: (rows, columns).

        scale: px of the image per px of the picture.
        """
        height, width = image.shape
        table = torch.zeros(height + 1, width + 1, dtype=torch.float64)
        table[1:, 1:] = image.double().cumsum(0).cumsum(1)
        x0, x1 = _spans(self.left, self.stride, self.tile, self.columns, scale, width)
        y0, y1 = (edge[:, None] for edge in _spans(self.top, self.stride, self.tile, self.rows, scale, height))
        total = table[y1, x1] - table[y0, x1] - table[y1, x0] + table[y0, x0]
        return (total / ((y1 - y0) * (x1 - x0))).float()


def _spans(start: int, stride: int, tile: int, count: int, scale: float, length: int) -> tuple[Tensor, Tensor]:
    """Return where tiles start and end along an axis of an image of `length` px, at least one px: (count,) int64."""
    starts = (start + stride * torch.arange(count)) * scale
    low = starts.round().long().clamp(0, length - 1)
    high = (starts + tile * scale).round().long().clamp(max=length)
    return low, torch.maximum(high, low + 1)
