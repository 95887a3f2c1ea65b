"""``.webm``: a time lapse, as VP9."""

from __future__ import annotations

from artkit_exporters.video import Video


class Webm(Video):
    """The painting being painted, as a video for the web, free of patents."""

    name = "webm"
    suffixes = (".webm",)
    codec = "libvpx-vp9"
    options = {"crf": "24", "b": "0", "cpu-used": "4", "row-mt": "1"}  # noqa: RUF012
    container = {"fflags": "+bitexact"}  # noqa: RUF012  # or it writes a random number into each file
