"""Rectangular windows of a picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture that is rendered at `scale` times the size in its recipe.

    x, y, width and height are in px of the scaled picture.

    Examples:
        >>> import artkit
        >>> artkit.Window(x=64, y=0, width=128, height=96, scale=2.0)
        Window(x=64, y=0, width=128, height=96, scale=2.0)
    """

    x: int
    y: int
    width: int
    height: int
    scale: float = 1.0
