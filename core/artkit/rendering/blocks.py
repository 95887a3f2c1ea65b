"""Blocks: the tiles of a phase that overlap a window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from artkit.geometry.phase import Phase
from artkit.geometry.window import Window
from artkit.rendering.compositing import TileLattice


@dataclass(frozen=True)
class TileBlock:
    """The tiles of a phase in a rectangle of its lattice.

    The rectangle has `rows` rows from `row` on and `columns` columns from `column` on.
    margin: px around its tiles that are rendered too. trainable: whether its strokes get a gradient.
    """

    phase: Phase
    margin: int
    row: int
    column: int
    rows: int
    columns: int
    trainable: bool = True

    @property
    def stroke_count(self) -> int:
        """The number of strokes."""
        return self.rows * self.columns if self.phase.cells is None else len(self._strokes)

    @cached_property
    def _strokes(self) -> Tensor:
        """The strokes of the phase that lie in this rectangle, counted from its first: (stroke_count,) int64."""
        rows, columns = range(self.row, self.row + self.rows), range(self.column, self.column + self.columns)
        return self.phase.indices_in(rows, columns)

    @property
    def patch_size(self) -> int:
        """Side of a patch (a tile and its margin) in px."""
        return self.phase.side + 2 * self.margin

    @property
    def x(self) -> int:
        """Left edge of the first patch in px."""
        return self.phase.x + self.column * self.phase.pitch - self.margin

    @property
    def y(self) -> int:
        """Upper edge of the first patch in px."""
        return self.phase.y + self.row * self.phase.pitch - self.margin

    @property
    def right(self) -> int:
        """Right edge of the last patch in px."""
        return self.x + (self.columns - 1) * self.phase.pitch + self.patch_size

    @property
    def bottom(self) -> int:
        """Lower edge of the last patch in px."""
        return self.y + (self.rows - 1) * self.phase.pitch + self.patch_size

    def stroke_indices(self) -> Tensor:
        """Return the indices of its strokes in painting order: (stroke_count,) int64."""
        return self.phase.first + self._strokes

    def origins(self) -> Tensor:
        """Return the upper left (x, y) of its tiles in px: (stroke_count, 2) int64."""
        return self.phase.origins_at(self._strokes)

    def visible_margin(self, window: Window) -> int:
        """Return the width in px of the widest margin around a tile that lies in the window."""
        return max(
            0,
            self.right - self.margin - self.phase.side - window.x,
            self.bottom - self.margin - self.phase.side - window.y,
            window.x + window.width - (self.x + self.margin + self.phase.side),
            window.y + window.height - (self.y + self.margin + self.phase.side),
        )

    def lattice(self, left: int, top: int) -> TileLattice:
        """Return its patches as a lattice in a buffer whose upper left is at (left, top)."""
        lattice = TileLattice(self.y - top, self.x - left, self.phase.pitch, self.rows, self.columns, self.patch_size)
        if self.phase.cells is None:
            return lattice
        places = self.places()
        return replace(lattice, cells=(places // self.columns, places % self.columns))

    def places(self) -> Tensor:
        """Return the places of its strokes in its rectangle, counted row by row: (stroke_count,) int64."""
        cells = self.phase.cells_at(self._strokes)
        row, column = cells // self.phase.columns - self.row, cells % self.phase.columns - self.column
        return row * self.columns + column

    def split(self, trainable: Window) -> Iterator[TileBlock]:
        """Split the block into the tiles whose centre lies in a window, which are trainable, and those around them."""
        x0, x1, x2, x3 = self._split_span(trainable.x, trainable.width, self.phase.x, self.column, self.columns)
        y0, y1, y2, y3 = self._split_span(trainable.y, trainable.height, self.phase.y, self.row, self.rows)
        for rows, columns, inside in (
            ((y0, y1), (x0, x3), False),
            ((y1, y2), (x0, x1), False),
            ((y1, y2), (x1, x2), True),
            ((y1, y2), (x2, x3), False),
            ((y2, y3), (x0, x3), False),
        ):
            if rows[1] > rows[0] and columns[1] > columns[0]:
                part = replace(
                    self,
                    row=rows[0],
                    column=columns[0],
                    rows=rows[1] - rows[0],
                    columns=columns[1] - columns[0],
                    trainable=inside,
                )
                if part.stroke_count:
                    yield part

    def _split_span(self, start: int, length: int, origin: int, first: int, count: int) -> tuple[int, int, int, int]:
        """Divide tiles along one axis, from `first` on: those before, in and after a span of `length` px."""
        centre, pitch, end = origin + self.phase.side / 2, self.phase.pitch, first + count
        low = min(max(math.ceil((start - centre) / pitch), first), end)
        high = min(max(math.ceil((start + length - centre) / pitch), low), end)
        return first, low, high, end


def block_in_window(phase: Phase, margin: int, window: Window) -> TileBlock | None:
    """Return the block of a phase whose patches overlap a window, or None."""
    spans = []
    for start, length, origin, count in (
        (window.y, window.height, phase.y, phase.rows),
        (window.x, window.width, phase.x, phase.columns),
    ):
        low = origin - margin
        # Patch i covers [low + i pitch, low + i pitch + side + 2 margin).
        begin = max(0, math.floor((start - low - phase.side - 2 * margin) / phase.pitch) + 1)
        end = min(count, math.ceil((start + length - low) / phase.pitch))
        if end <= begin:
            return None
        spans.append((begin, end - begin))
    (row, rows), (column, columns) = spans
    block = TileBlock(phase, margin, row, column, rows, columns)
    return block if block.stroke_count else None
