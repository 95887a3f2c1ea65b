"""Rectangles of a picture, and where tiles lie in it. x runs to the right, y down; lengths are px."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from artkit.errors import UsageError


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture that is drawn `scale` times as large as its recipe says.

    x, y, width and height are px of the enlarged picture.
    """

    x: int
    y: int
    width: int
    height: int
    scale: float = 1.0


@dataclass(frozen=True)
class Place:
    """Where the tiles of m strokes lie in a picture, and with how many px they are drawn.

    origin (m, 2): upper left of each tile, px of the (enlarged) picture, whole numbers. side: of every tile, px.
    margin: px around a tile that are drawn too, for paint that runs over its edge. number (m,) int64: the place of each
    stroke in the order of painting, which chooses its randomness together with `seed`. size: the picture's width and
    height in px. scale: px a px of the recipe.
    """

    origin: Tensor
    side: int
    margin: int
    number: Tensor
    size: tuple[int, int]
    seed: int
    scale: float = 1.0

    @property
    def sheet(self) -> int:
        """Side in px of what a renderer draws of a tile: the tile and its margin."""
        return self.side + 2 * self.margin

    def some(self, which: slice) -> Place:
        """The place of some of the strokes."""
        return replace(self, origin=self.origin[which], number=self.number[which])

    def random(self, count: int) -> Tensor:
        """For each stroke `count` numbers, even in [0, 1): (m, count) float32. They follow from the seed and the
        stroke's number alone, so that a stroke looks the same in any window, at any step, in any process.
        """
        which = torch.arange(count, device=self.number.device) * 0x85EBCA6B
        mixed = mix(mix(self.number + 0x9E3779B9) + self.seed % 2**32)[:, None]
        return (mix(mixed + (self.seed >> 32) + which) >> 8).float() / 2**24


def mix(h: Tensor) -> Tensor:
    """32-bit integer hash (Wellons' lowbias32) of int64 numbers, kept in int64 for lack of unsigned integers."""
    h = h & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x21F0AAAD) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 0x735A2D97) & 0xFFFFFFFF
    return h ^ (h >> 15)


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
    def strokes(self) -> int:
        """How many strokes the phase has."""
        return self.rows * self.columns

    def origins(self) -> Tensor:
        """Upper left (x, y) of each stroke's tile, px: (strokes, 2) int64."""
        return self.origins_of(torch.arange(self.strokes))

    def origins_of(self, indices: Tensor) -> Tensor:
        """Upper left (x, y) of the tiles of some of the strokes, counted from the phase's first, px: (m, 2) int64."""
        row, column = indices // self.columns, indices % self.columns
        return torch.stack([self.x + column * self.pitch, self.y + row * self.pitch], dim=-1)

    def between(self, first: int, last: int) -> Iterator[Phase]:
        """The strokes from number `first` to before `last`, as phases of whole rows and of parts of rows."""
        start, end = max(first - self.first, 0), min(last - self.first, self.strokes)
        while start < end:
            row, column = divmod(start, self.columns)
            rows = (end - start) // self.columns if not column else 0
            columns = self.columns if rows else min(self.columns - column, end - start)
            x, y = self.x + column * self.pitch, self.y + row * self.pitch
            made = Phase(self.first + start, x, y, self.pitch, max(rows, 1), columns, self.side)
            yield made
            start += made.strokes

    def enlarged(self, scale: float) -> Phase:
        """The phase of a picture `scale` times as large. Raises UsageError where tiles would not lie on whole px."""
        lengths = [value * scale for value in (self.x, self.y, self.pitch, self.side)]
        if any(abs(length - round(length)) > 1e-6 for length in lengths):
            raise UsageError(
                f"scale {scale:g} does not put tiles of {self.side} px on whole pixels",
                remedy="take a whole number, or use --renderer mypaint, which paints at any scale",
            )
        x, y, pitch, side = (round(length) for length in lengths)
        return Phase(self.first, x, y, pitch, self.rows, self.columns, side)


def tiles_of(phases: Sequence[Phase]) -> Tensor:
    """The tile of each stroke of phases, in their order: x, y and side in px, (N, 3) int64."""
    return torch.cat([torch.cat([p.origins(), torch.full((p.strokes, 1), p.side)], dim=1) for p in phases])
