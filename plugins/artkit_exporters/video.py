"""A time lapse as a video file, encoded by PyAV."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import ClassVar

import numpy as np

from artkit.painting import Painting
from artkit_exporters.libraries import library
from artkit_exporters.timelapse import Timelapse

_BT_601 = 6  # SMPTE 170M, as the frames are converted


class Video(Timelapse):
    """What `mp4`, `webm` and `webp` have in common."""

    codec: ClassVar[str]
    options: ClassVar[dict[str, str]]
    container: ClassVar[dict[str, str]] = {}

    def write(self, painting: Painting, file: Path) -> None:
        av = library("av", file.suffix)
        frames = iter(self.frames(painting))
        first = next(frames)
        with av.open(str(file), "w", options=self.container) as video:
            stream = video.add_stream(self.codec, rate=self.config.fps, options=self.options)
            stream.width, stream.height = first.size
            stream.pix_fmt = "yuv420p"
            stream.codec_context.colorspace = _BT_601
            stream.codec_context.thread_count = 1  # what an encoder writes depends on how many threads it has
            for image in itertools.chain([first], frames):
                frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
                video.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU601")))
            video.mux(stream.encode())
