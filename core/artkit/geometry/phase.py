"""Phases: tiles of a lattice with one stroke each, whose patches do not overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from artkit.errors import UsageError


@dataclass(frozen=True)
class Phase:
    """Tiles of a lattice with one stroke each: strokes `first`, `first` + 1, ... of the painting.

    x, y: upper left of the first tile. pitch: distance between neighbouring tiles in both directions. side: of a tile.
    All in px. cells: the tiles of the lattice that have a stroke, each counted row by row from 0, in the order of their
    strokes; None means all tiles, row by row.

    Examples:
        >>> import artkit
        >>> phase = artkit.Phase(first=0, x=0, y=0, pitch=48, rows=1, columns=2, side=32)
        >>> phase.origins().tolist()
        [[0, 0], [48, 0]]
    """

    first: int
    x: int
    y: int
    pitch: int
    rows: int
    columns: int
    side: int
    cells: tuple[int, ...] | None = None

    @property
    def stroke_count(self) -> int:
        """The number of strokes."""
        return self.rows * self.columns if self.cells is None else len(self.cells)

    def with_cells(self, occupied: Tensor) -> Phase:
        """Return the phase with strokes on some of its tiles only: occupied (rows, columns), bool."""
        if bool(occupied.all()):
            return replace(self, cells=None)
        return replace(self, cells=tuple(occupied.flatten().nonzero()[:, 0].tolist()))

    @cached_property
    def _cell_tensor(self) -> Tensor:
        return torch.tensor(self.cells, dtype=torch.int64)

    def cells_at(self, indices: Tensor) -> Tensor:
        """Return the cells of the lattice, counted row by row, of the tiles with the given indices: (m,) int64.

        indices: (m,) int64, counted from the first stroke of the phase.
        """
        return indices if self.cells is None else self._cell_tensor[indices]

    def strokes_by_cell(self) -> Tensor:
        """Return the index in the painting of the stroke of each cell, row by row, -1 for none: (cells,) int64."""
        strokes = torch.full((self.rows * self.columns,), -1)
        own = torch.arange(self.stroke_count)
        strokes[self.cells_at(own)] = self.first + own
        return strokes

    def origins(self) -> Tensor:
        """Return the upper left (x, y) of each tile in px: (stroke_count, 2) int64."""
        return self.origins_at(torch.arange(self.stroke_count))

    def origins_at(self, indices: Tensor) -> Tensor:
        """Return the upper left (x, y) of the tiles with the given indices in px: (m, 2) int64.

        indices: (m,) int64, counted from the first stroke of the phase.
        """
        cells = self.cells_at(indices)
        row, column = cells // self.columns, cells % self.columns
        return torch.stack([self.x + column * self.pitch, self.y + row * self.pitch], dim=-1)

    def indices_in(self, rows: range, columns: range) -> Tensor:
        """Return the indices of the tiles in a rectangle of the lattice, counted from the first stroke: (m,) int64."""
        if self.cells is None:
            row = torch.arange(rows.start, rows.stop)[:, None] * self.columns
            return (row + torch.arange(columns.start, columns.stop)).reshape(-1)
        row, column = self._cell_tensor // self.columns, self._cell_tensor % self.columns
        inside = (row >= rows.start) & (row < rows.stop) & (column >= columns.start) & (column < columns.stop)
        return inside.nonzero()[:, 0]

    def subphases(self, first: int, last: int) -> Iterator[Phase]:
        """Yield the strokes `first` to `last` - 1 of the painting as phases of whole rows and of partial rows."""
        start, end = max(first - self.first, 0), min(last - self.first, self.stroke_count)
        if self.cells is not None:
            if start < end:
                yield replace(self, first=self.first + start, cells=self.cells[start:end])
            return
        while start < end:
            row, column = divmod(start, self.columns)
            rows = (end - start) // self.columns if not column else 0
            columns = self.columns if rows else min(self.columns - column, end - start)
            x, y = self.x + column * self.pitch, self.y + row * self.pitch
            subphase = Phase(self.first + start, x, y, self.pitch, max(rows, 1), columns, self.side)
            yield subphase
            start += subphase.stroke_count

    def scaled(self, scale: float) -> Phase:
        """Return the phase in a picture `scale` times as large. Raises UsageError if tiles do not lie on whole px."""
        lengths = [value * scale for value in (self.x, self.y, self.pitch, self.side)]
        if any(abs(length - round(length)) > 1e-6 for length in lengths):
            raise UsageError(
                f"scale {scale:g} does not put tiles of {self.side} px on whole pixels",
                hint="use a whole number, or --renderer mypaint, which renders at any scale",
            )
        x, y, pitch, side = (round(length) for length in lengths)
        return replace(self, x=x, y=y, pitch=pitch, side=side)


def stroke_tiles(phases: Sequence[Phase]) -> Tensor:
    """Return the tile of each stroke of the phases, in their order: x, y and side in px, (N, 3) int64."""
    return torch.cat([torch.cat([p.origins(), torch.full((p.stroke_count, 1), p.side)], dim=1) for p in phases])
