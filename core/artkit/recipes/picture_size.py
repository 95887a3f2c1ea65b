"""The size of a picture in a recipe: width and height, or the longer side or the area, in the shape of the target."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from artkit.config import Config

MIN_SIDE, MAX_SIDE = 8, 1 << 17
"""Shortest and longest side of a picture, px."""

_Side = Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE)]


class AreaSize(Config):
    """A size by the number of pixels, in the shape of the target."""

    area: Annotated[int, Field(ge=MIN_SIDE**2, le=MAX_SIDE**2)]
    """Number of pixels, about: the time of a run does not depend on the shape of the photo."""


def _form(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "<width and height>"
    return "<area>" if isinstance(value, (dict, AreaSize)) else "<longer side>"


PictureSize = Annotated[
    Annotated[_Side, Tag("<longer side>")]
    | Annotated[AreaSize, Tag("<area>")]
    | Annotated[tuple[_Side, _Side], Tag("<width and height>")],
    Discriminator(_form),
]
"""The longer side in px, the area, or width and height in px."""


def resolve_size(size: tuple[int, int] | int | AreaSize, target: Path | None) -> tuple[int, int]:
    """Return width and height in px.

    target: the image whose shape the picture gets unless `size` gives one; None for a square. Raises UsageError if it
    is not an image.
    """
    from artkit.imaging.image_file import image_size  # imports numpy and torch, which `artkit --help` does not need

    if isinstance(size, tuple):
        return size
    return _in_shape(size, image_size(target) if target else (1, 1))


def resolve_clip_size(size: tuple[int, int] | int | AreaSize, clip: Path) -> tuple[int, int]:
    """Return width and height in px of the pictures of a film. Raises UsageError if the clip cannot be read."""
    from artkit.imaging.clip_files import open_clip

    return size if isinstance(size, tuple) else _in_shape(size, open_clip(clip).size)


def _in_shape(size: int | AreaSize, shape: tuple[int, int]) -> tuple[int, int]:
    width, height = shape
    scale = math.sqrt(size.area / (width * height)) if isinstance(size, AreaSize) else size / max(width, height)
    return _clamp(width * scale), _clamp(height * scale)


def _clamp(side: float) -> int:
    return min(max(round(side), MIN_SIDE), MAX_SIDE)
