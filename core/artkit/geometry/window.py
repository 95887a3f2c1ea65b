"""Rectangles of a picture, and where tiles lie in it. x runs to the right, y down; lengths are px."""

from __future__ import annotations

from dataclasses import dataclass


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
