"""``.mp4``: a time lapse, encoded as H.264."""

from __future__ import annotations

from artkit_exporters.video import Video


class Mp4(Video):
    """A time lapse of the painting, as a video that plays everywhere."""

    name = "mp4"
    suffixes = (".mp4",)
    codec = "libx264"
    sound_codec = "aac"
    # mbtree is off because its assembly code is not deterministic: about one file in a hundred differs.
    codec_options = {"crf": "18", "preset": "medium", "mbtree": "0"}  # noqa: RUF012
    container_options = {"movflags": "+faststart"}  # noqa: RUF012
