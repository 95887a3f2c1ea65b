"""Rectangular windows of a picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture that is rendered at `scale` times the size in its recipe.

    x, y, width and height are in px of the scaled picture.
    """

    x: int
    y: int
    width: int
    height: int
    scale: float = 1.0
