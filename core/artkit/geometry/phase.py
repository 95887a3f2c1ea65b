"""TODO: artkit.geometry.phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from artkit.errors import UsageError


@dataclass(frozen=True)
class Phase:
    """One stroke on each tile of a lattice: strokes `first`, `first` + 1, ... of the painting, row by row.

    x, y: upper left of the first tile. pitch: from one tile to the next, both ways. side: of a tile. All in px.
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
        """How many strokes the phase has."""
        return self.rows * self.columns

    def origins(self) -> Tensor:
        """Upper left (x, y) of each stroke's tile, px: (strokes, 2) int64."""
        return self.origins_at(torch.arange(self.stroke_count))

    def origins_at(self, indices: Tensor) -> Tensor:
        """Upper left (x, y) of the tiles of some of the strokes, counted from the phase's first, px: (m, 2) int64."""
        row, column = indices // self.columns, indices % self.columns
        return torch.stack([self.x + column * self.pitch, self.y + row * self.pitch], dim=-1)

    def subphases(self, first: int, last: int) -> Iterator[Phase]:
        """The strokes from number `first` to before `last`, as phases of whole rows and of parts of rows."""
        start, end = max(first - self.first, 0), min(last - self.first, self.stroke_count)
        while start < end:
            row, column = divmod(start, self.columns)
            rows = (end - start) // self.columns if not column else 0
            columns = self.columns if rows else min(self.columns - column, end - start)
            x, y = self.x + column * self.pitch, self.y + row * self.pitch
            made = Phase(self.first + start, x, y, self.pitch, max(rows, 1), columns, self.side)
            yield made
            start += made.stroke_count

    def scaled(self, scale: float) -> Phase:
        """The phase of a picture `scale` times as large. Raises UsageError where tiles would not lie on whole px."""
        lengths = [value * scale for value in (self.x, self.y, self.pitch, self.side)]
        if any(abs(length - round(length)) > 1e-6 for length in lengths):
            raise UsageError(
                f"scale {scale:g} does not put tiles of {self.side} px on whole pixels",
                hint="take a whole number, or use --renderer mypaint, which paints at any scale",
            )
        x, y, pitch, side = (round(length) for length in lengths)
        return Phase(self.first, x, y, pitch, self.rows, self.columns, side)


def stroke_tiles(phases: Sequence[Phase]) -> Tensor:
    """The tile of each stroke of phases, in their order: x, y and side in px, (N, 3) int64."""
    return torch.cat([torch.cat([p.origins(), torch.full((p.stroke_count, 1), p.side)], dim=1) for p in phases])
