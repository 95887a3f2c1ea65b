"""Phases: lattices of tiles with one stroke each, whose patches do not overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from artkit.errors import UsageError


@dataclass(frozen=True)
class Phase:
    """A lattice of tiles with one stroke each, row by row: strokes `first`, `first` + 1, ... of the painting.

    x, y: upper left of the first tile. pitch: distance between neighbouring tiles in both directions. side: of a tile.
    All in px.

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

    @property
    def stroke_count(self) -> int:
        """The number of strokes."""
        return self.rows * self.columns

    def origins(self) -> Tensor:
        """Return the upper left (x, y) of each tile in px: (stroke_count, 2) int64."""
        return self.origins_at(torch.arange(self.stroke_count))

    def origins_at(self, indices: Tensor) -> Tensor:
        """Return the upper left (x, y) of the tiles with the given indices in px: (m, 2) int64.

        indices: (m,) int64, counted from the first stroke of the phase.
        """
        row, column = indices // self.columns, indices % self.columns
        return torch.stack([self.x + column * self.pitch, self.y + row * self.pitch], dim=-1)

    def subphases(self, first: int, last: int) -> Iterator[Phase]:
        """Yield the strokes `first` to `last` - 1 of the painting as phases of whole rows and of partial rows."""
        start, end = max(first - self.first, 0), min(last - self.first, self.stroke_count)
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
        return Phase(self.first, x, y, pitch, self.rows, self.columns, side)


def stroke_tiles(phases: Sequence[Phase]) -> Tensor:
    """Return the tile of each stroke of the phases, in their order: x, y and side in px, (N, 3) int64."""
    return torch.cat([torch.cat([p.origins(), torch.full((p.stroke_count, 1), p.side)], dim=1) for p in phases])
