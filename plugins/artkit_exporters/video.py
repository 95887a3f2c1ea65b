"""Base class of time lapses that PyAV encodes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from artkit import RenderedPainting
from artkit_exporters.library_exporter import LibraryExporter
from artkit_exporters.timelapse import Timelapse

_BT_601 = 6
"""libav's number of the colour space SMPTE 170M, to which frames are converted."""

_BT_709_PRIMARIES, _SRGB_TRANSFER = 1, 13
"""libav's numbers of the primaries and the transfer curve of sRGB."""


class Video(Timelapse, LibraryExporter):
    """A time lapse that is encoded frame by frame, so that memory does not grow with its duration.

    codec, codec_options, container_options, pixel_format: libav's names.
    """

    library_name = "av"
    codec: ClassVar[str]
    codec_options: ClassVar[dict[str, str]] = {}
    container_options: ClassVar[dict[str, str]] = {}
    pixel_format: ClassVar[str] = "yuv420p"

    def write(self, painting: RenderedPainting, file: Path) -> None:
        frames = iter(self.frames(painting))
        first = next(frames)
        with self.library.open(str(file), "w", options=self.container_options) as container:
            stream = container.add_stream(self.codec, rate=self.config.fps, options=self.codec_options)
            stream.width, stream.height = first.size
            stream.pix_fmt = self.pixel_format
            stream.codec_context.colorspace = _BT_601
            stream.codec_context.color_primaries = _BT_709_PRIMARIES
            stream.codec_context.color_trc = _SRGB_TRANSFER
            stream.codec_context.thread_count = 1  # the encoder's output depends on the number of threads
            for image in itertools.chain([first], frames):
                container.mux(stream.encode(self.to_video_frame(image)))
            container.mux(stream.encode())

    def to_video_frame(self, image: Image.Image) -> Any:
        """Return the image as an `av.VideoFrame` in the codec's pixel format."""
        frame = self.library.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
        return frame.reformat(format=self.pixel_format, dst_colorspace="ITU601")
