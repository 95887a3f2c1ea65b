"""How a picture that is too large for one step is gone over: window after window, until every stroke has learnt."""

from __future__ import annotations

import math
from dataclasses import dataclass

from artkit.geometry.window import Window

_UNBOUNDED = 1 << 40


@dataclass(frozen=True)
class WindowGrid:
    """Rows and columns of windows that make up a picture of `size` (width, height) px.

    Each window has a core, and the cores divide the strokes among them, by the centres of their tiles: a *sweep* over
    all windows lets every stroke learn once. Around its core a window shows `margin` px and more, so that strokes are
    seen whole, and objectives see what is around them. All windows have the same `width` and `height`. A picture that
    is seen whole is a single window.
    """

    size: tuple[int, int]
    columns: int
    rows: int
    width: int
    height: int
    margin: int

    @classmethod
    def covering(cls, size: tuple[int, int], side: int, margin: int) -> WindowGrid:
        """The fewest windows of `side` px a side. Raises ValueError if they are lost in their margins."""
        counts: list[int] = []
        lengths: list[int] = []
        for length in size:
            count = 1
            if length > side:
                if (core := side - 2 * margin) < margin:
                    raise ValueError(f"windows of {side} px are too small for margins of {margin} px")
                count = math.ceil(length / core)
            counts.append(count)
            lengths.append(min(length, side))
        return cls(size, counts[0], counts[1], lengths[0], lengths[1], margin)

    @property
    def count(self) -> int:
        """How many windows there are."""
        return self.columns * self.rows

    def at(self, index: int, shift: tuple[float, float]) -> tuple[Window, Window]:
        """A window, and its core, px. shift: by which share of the margin, from -1 to 1, the borders between the cores
        are moved in x and y: their places change from sweep to sweep.
        """
        row, column = divmod(index, self.columns)
        spans = []
        for length, count, place, seen, moved in (
            (self.size[0], self.columns, column, self.width, shift[0]),
            (self.size[1], self.rows, row, self.height, shift[1]),
        ):
            low, high = (index * length / count + moved * self.margin for index in (place, place + 1))
            start = min(max(round((low + high - seen) / 2), 0), length - seen)
            inner = place > 0, place < count - 1  # there are no borders at the edges of the picture
            spans.append((start, round(low) if inner[0] else -_UNBOUNDED, round(high) if inner[1] else _UNBOUNDED))
        (x, left, right), (y, top, bottom) = spans
        return Window(x, y, self.width, self.height), Window(left, top, right - left, bottom - top)
