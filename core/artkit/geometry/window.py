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

    def overlaps(self, other: Window, margin: int = 0) -> bool:
        """Return whether another rectangle, with a margin in px around it, overlaps this one."""
        return (
            self.x < other.x + other.width + margin
            and other.x - margin < self.x + self.width
            and self.y < other.y + other.height + margin
            and other.y - margin < self.y + self.height
        )


@dataclass(frozen=True)
class Region:
    """A rectangle of a picture, in px of its recipe. Its edges may lie between pixels."""

    x: float
    y: float
    width: float
    height: float

    def centred_part(self, size: tuple[int, int], scale: float) -> Region:
        """Return the part in the middle that has `size` px, width and height, at `scale` times the recipe's size.

        It begins at a whole px of that scale. size: at most that of the region.
        """
        width, height = size
        x = round(self.x * scale + (self.width * scale - width) / 2)
        y = round(self.y * scale + (self.height * scale - height) / 2)
        return Region(x / scale, y / scale, width / scale, height / scale)
