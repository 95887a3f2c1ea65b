"""``.webp``: a time lapse that pages show like a picture, in all its colours."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from artkit_exporters.timelapse import Timelapse
from artkit_exporters.video import Video


class Webp(Video):
    """The painting being painted, as a moving WebP; it starts again and again."""

    name = "webp"
    suffixes = (".webp",)
    codec = "libwebp_anim"
    options = {"quality": "85"}  # noqa: RUF012
    container = {"loop": "0"}  # noqa: RUF012

    class Config(Timelapse.Config):
        """Settings."""

        longest: Annotated[int, Field(ge=16, le=8192)] = 640
        """Px of the longer side, if the painting has so many at its scale."""
