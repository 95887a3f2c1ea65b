"""``.webp``: a time lapse in full colour that browsers show as an image."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from artkit_exporters.timelapse import Timelapse
from artkit_exporters.video import Video


class Webp(Video):
    """A time lapse of the painting, as an animated WebP; it repeats forever."""

    name = "webp"
    suffixes = (".webp",)
    codec = "libwebp_anim"
    codec_options = {"quality": "85"}  # noqa: RUF012
    container_options = {"loop": "0"}  # noqa: RUF012

    class Config(Timelapse.Config):
        """Settings."""

        longest: Annotated[int, Field(ge=16, le=8192)] = 640
        """Maximum length of the longer side, px."""
