"""``.webm``: a time lapse, encoded as VP9."""

from __future__ import annotations

from artkit_exporters.video import Video


class Webm(Video):
    """A time lapse of the painting, as a video for the web in a royalty-free format."""

    name = "webm"
    suffixes = (".webm",)
    codec = "libvpx-vp9"
    sound_codec = "libopus"
    codec_options = {"crf": "24", "b": "0", "cpu-used": "4", "row-mt": "1"}  # noqa: RUF012
    container_options = {"fflags": "+bitexact"}  # noqa: RUF012  # without it each file contains a random number
