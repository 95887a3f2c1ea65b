"""A time lapse as a video file, encoded by PyAV."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from artkit import RenderedPainting
from artkit_exporters.libraries import Encoded
from artkit_exporters.timelapse import Timelapse

_BT_601 = 6  # SMPTE 170M, as the frames are converted


class Video(Timelapse, Encoded):
    """What `mp4`, `webm`, `webp` and `gif` have in common: a frame is painted, encoded and forgotten."""

    needs = "av"
    codec: ClassVar[str]
    options: ClassVar[dict[str, str]] = {}
    container: ClassVar[dict[str, str]] = {}
    pixels: ClassVar[str] = "yuv420p"
    """libav's name for how the codec keeps pixels."""

    def write(self, painting: RenderedPainting, file: Path) -> None:
        av = self.encoder
        frames = iter(self.frames(painting))
        first = next(frames)
        with av.open(str(file), "w", options=self.container) as video:
            stream = video.add_stream(self.codec, rate=self.config.fps, options=self.options)
            stream.width, stream.height = first.size
            stream.pix_fmt = self.pixels
            stream.codec_context.colorspace = _BT_601
            stream.codec_context.thread_count = 1  # what an encoder writes depends on how many threads it has
            for image in itertools.chain([first], frames):
                video.mux(stream.encode(self.frame(image)))
            video.mux(stream.encode())

    def frame(self, image: Image.Image) -> Any:
        """A frame as the codec takes it, an `av.VideoFrame`."""
        frame = self.encoder.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
        return frame.reformat(format=self.pixels, dst_colorspace="ITU601")
