"""TODO: artkit.rendering.blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from artkit.geometry.phase import Phase
from artkit.geometry.window import Window
from artkit.rendering.compositing import TileLattice


@dataclass(frozen=True)
class TileBlock:
    """The part of a phase that touches a window: rows and columns from `row` and `column` on.

    margin: around its tiles, px. learnt: whether a gradient of its strokes is wanted.
    """

    phase: Phase
    margin: int
    row: int
    column: int
    rows: int
    columns: int
    learnt: bool = True

    @property
    def sheet(self) -> int:
        return self.phase.side + 2 * self.margin

    @property
    def x(self) -> int:
        return self.phase.x + self.column * self.phase.pitch - self.margin

    @property
    def y(self) -> int:
        return self.phase.y + self.row * self.phase.pitch - self.margin

    @property
    def right(self) -> int:
        return self.x + (self.columns - 1) * self.phase.pitch + self.sheet

    @property
    def bottom(self) -> int:
        return self.y + (self.rows - 1) * self.phase.pitch + self.sheet

    def numbers(self) -> Tensor:
        """Which strokes of the painting these are: (rows * columns,) int64."""
        row = torch.arange(self.row, self.row + self.rows)[:, None] * self.phase.columns
        return (self.phase.first + row + torch.arange(self.column, self.column + self.columns)).reshape(-1)

    def origins(self) -> Tensor:
        return self.phase.origins_at(self.numbers() - self.phase.first)

    def shows(self, window: Window) -> int:
        """How far beyond its tiles a window shows what they leave: of the tile that has most around it, px."""
        sides = (
            self.x + (self.columns - 1) * self.phase.pitch + self.margin - window.x,
            self.y + (self.rows - 1) * self.phase.pitch + self.margin - window.y,
            window.x + window.width - (self.x + self.margin + self.phase.side),
            window.y + window.height - (self.y + self.margin + self.phase.side),
        )
        return max(0, *sides)

    def layer(self, left: int, top: int) -> TileLattice:
        """The block in a buffer whose upper left lies at (left, top)."""
        return TileLattice(self.y - top, self.x - left, self.phase.pitch, self.rows, self.columns, self.sheet)

    def split(self, learnt: Window) -> Iterator[TileBlock]:
        """The tiles whose centre lies in a window, and those above, below and beside them."""
        half = self.phase.side / 2
        spans = []
        for start, length, first, begin, count in (
            (learnt.y, learnt.height, self.phase.y + half, self.row, self.rows),
            (learnt.x, learnt.width, self.phase.x + half, self.column, self.columns),
        ):
            low = min(max(math.ceil((start - first) / self.phase.pitch), begin), begin + count)
            high = min(max(math.ceil((start + length - first) / self.phase.pitch), low), begin + count)
            spans.append((begin, low, high, begin + count))
        (y0, y1, y2, y3), (x0, x1, x2, x3) = spans
        for rows, columns, inside in (
            ((y0, y1), (x0, x3), False),
            ((y1, y2), (x0, x1), False),
            ((y1, y2), (x1, x2), True),
            ((y1, y2), (x2, x3), False),
            ((y2, y3), (x0, x3), False),
        ):
            if rows[1] > rows[0] and columns[1] > columns[0]:
                yield replace(
                    self,
                    row=rows[0],
                    column=columns[0],
                    rows=rows[1] - rows[0],
                    columns=columns[1] - columns[0],
                    learnt=inside,
                )


def block_in_window(phase: Phase, margin: int, window: Window) -> TileBlock | None:
    """The block of a phase whose sheets overlap a window."""
    spans = []
    for start, length, first, count in (
        (window.y, window.height, phase.y, phase.rows),
        (window.x, window.width, phase.x, phase.columns),
    ):
        low = first - margin
        # Sheet i covers [low + i pitch, low + i pitch + side + 2 margin).
        begin = max(0, math.floor((start - low - phase.side - 2 * margin) / phase.pitch) + 1)
        end = min(count, math.ceil((start + length - low) / phase.pitch))
        if end <= begin:
            return None
        spans.append((begin, end - begin))
    (row, rows), (column, columns) = spans
    return TileBlock(phase, margin, row, column, rows, columns)
