"""``.mp4``: a time lapse, as H.264."""

from __future__ import annotations

from artkit_exporters.video import Video


class Mp4(Video):
    """The painting being painted, as a video that plays everywhere."""

    name = "mp4"
    suffixes = (".mp4",)
    codec = "libx264"
    # Without the tree of macroblocks, whose assembler code gives other bytes once in a hundred times.
    options = {"crf": "18", "preset": "medium", "mbtree": "0"}  # noqa: RUF012
    container = {"movflags": "+faststart"}  # noqa: RUF012
