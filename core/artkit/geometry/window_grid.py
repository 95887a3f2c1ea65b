"""Division of a large picture into windows that are optimised one after the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from artkit.geometry.window import Window

_UNBOUNDED = 1 << 40
"""Px by which cores at the edges of the picture extend beyond it."""

_MAX_GROUP = 64
"""Windows of a group at most."""


@dataclass(frozen=True)
class WindowGrid:
    """Rows and columns of windows that cover a picture of `size` (width, height) px.

    Each window has a core. A stroke belongs to the core that contains the centre of its tile, so one *epoch* over all
    windows optimises every stroke once. A window extends at least `margin` px beyond its core: strokes are rendered
    whole, and objectives see their surroundings. All windows have the same `width` and `height`. A picture that fits
    in one step is a single window.
    """

    size: tuple[int, int]
    columns: int
    rows: int
    width: int
    height: int
    margin: int

    def __post_init__(self) -> None:
        """Raise ValueError for numbers that cannot be those of a grid, as from a damaged checkpoint."""
        numbers = (*self.size, self.columns, self.rows, self.width, self.height, self.margin)
        fits = all(isinstance(number, int) for number in numbers) and self.margin >= 0
        pairs = zip((self.width, self.height), (self.columns, self.rows), self.size, strict=True)
        if not fits or not all(1 <= length <= side and 1 <= count <= side for length, count, side in pairs):
            raise ValueError(f"there is no grid of windows with the numbers {numbers}")

    @classmethod
    def covering(cls, size: tuple[int, int], side: int, margin: int) -> WindowGrid:
        """Cover a picture with the fewest windows of `side` px. Raises ValueError if `side` is less than 3 margins."""
        counts: list[int] = []
        lengths: list[int] = []
        for length in size:
            count = 1
            if length > side:
                if (core := side - 2 * margin) < margin:
                    raise ValueError(f"windows of {side} px are too small: they need at least {3 * margin} px here")
                count = math.ceil(length / core)
            counts.append(count)
            lengths.append(min(length, side))
        return cls(size, counts[0], counts[1], lengths[0], lengths[1], margin)

    @property
    def count(self) -> int:
        """The number of windows."""
        return self.columns * self.rows

    def at(self, index: int, shift: tuple[float, float]) -> tuple[Window, Window]:
        """Return a window and its core in px.

        shift: how far the borders between cores are moved in x and y, as a fraction of the margin in [-1, 1]. It
        changes from epoch to epoch, so that the borders do not stay in the same place.
        """
        row, column = divmod(index, self.columns)
        x, left, right = self._span(self.size[0], self.columns, column, self.width, shift[0])
        y, top, bottom = self._span(self.size[1], self.rows, row, self.height, shift[1])
        return Window(x, y, self.width, self.height), Window(left, top, right - left, bottom - top)

    def touch(self, first: int, second: int, shift: tuple[float, float], reach: int) -> bool:
        """Return whether one of two windows may show strokes of the other's core.

        reach: px by which paint extends, at most, beyond the centre of its tile.
        """
        (window, core), (other_window, other_core) = self.at(first, shift), self.at(second, shift)
        return window.overlaps(other_core, reach) or other_window.overlaps(core, reach)

    def random_order(self, shift: tuple[float, float], reach: int, generator: torch.Generator) -> Tensor:
        """Return the indices of all windows (count,) in a random order with long runs of windows that do not touch.

        Windows that are some rows and columns apart, the fewest at which none touch, come one after the other.
        """
        columns = self._period(self.columns, 1, shift, reach)
        rows = self._period(self.rows, self.columns, shift, reach)
        index = torch.randperm(self.count, generator=generator)
        row, column = index // self.columns, index % self.columns
        rank = torch.randperm(rows * columns, generator=generator)[row % rows * columns + column % columns]
        return index[rank.argsort(stable=True)]

    def _period(self, count: int, stride: int, shift: tuple[float, float], reach: int) -> int:
        """Return how many columns, or rows if `stride` is their number, windows must be apart not to touch."""
        for apart in range(1, count):
            pairs = ((i * stride, (i + apart) * stride) for i in range(count - apart))
            if not any(self.touch(first, second, shift, reach) for first, second in pairs):
                return apart
        return count

    def groups(self, order: Tensor, shift: tuple[float, float], reach: int) -> list[int]:
        """Return where in an order of windows each group begins: successive windows that do not touch one another."""
        starts, group = [], list[int]()
        for place, index in enumerate(order.tolist()):
            full = len(group) == _MAX_GROUP
            if not group or full or any(self.touch(index, other, shift, reach) for other in group):
                starts.append(place)
                group = []
            group.append(index)
        return starts

    def _span(self, length: int, count: int, index: int, side: int, shift: float) -> tuple[int, int, int]:
        """Return the start of a window along one axis, and the start and end of its core, px."""
        low, high = (i * length / count + shift * self.margin for i in (index, index + 1))
        start = min(max(round((low + high - side) / 2), 0), length - side)
        core_start = round(low) if index > 0 else -_UNBOUNDED
        core_end = round(high) if index < count - 1 else _UNBOUNDED
        return start, core_start, core_end
