"""Rectangles of a picture, and where tiles lie in it. x runs to the right, y down; lengths are px."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


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
