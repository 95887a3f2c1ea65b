"""Base class of films that PyAV encodes."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from artkit import RenderedPainting
from artkit_exporters.film_sound import FilmSound
from artkit_exporters.library_exporter import LibraryExporter
from artkit_exporters.timelapse import Timelapse

_BT_601 = 6
"""libav's number of the colour space SMPTE 170M, to which frames are converted."""

_BT_709_PRIMARIES, _SRGB_TRANSFER = 1, 13
"""libav's numbers of the primaries and the transfer curve of sRGB."""


class Video(Timelapse, LibraryExporter):
    """A film that is encoded frame by frame, so that memory does not grow with its duration.

    codec, codec_options, container_options, pixel_format, sound_codec: libav's names; without a sound_codec the format
    has no sound.
    """

    library_name = "av"
    codec: ClassVar[str]
    codec_options: ClassVar[dict[str, str]] = {}
    container_options: ClassVar[dict[str, str]] = {}
    pixel_format: ClassVar[str] = "yuv420p"
    sound_codec: ClassVar[str] = ""

    def write(self, painting: RenderedPainting, file: Path) -> None:
        rate = self.frame_rate(painting)
        frames = iter(self.frames(painting))
        first = next(frames)
        film = painting.film if self.sound_codec else None
        with (
            self.library.open(str(file), "w", options=self.container_options) as container,
            FilmSound.of_film(film, self.library, self.sound_codec) as sound,
        ):
            fraction = Fraction(rate).limit_denominator(1001)
            stream = container.add_stream(self.codec, rate=fraction, options=self.codec_options)
            stream.width, stream.height = first.size
            stream.pix_fmt = self.pixel_format
            stream.codec_context.colorspace = _BT_601
            stream.codec_context.color_primaries = _BT_709_PRIMARIES
            stream.codec_context.color_trc = _SRGB_TRANSFER
            stream.codec_context.thread_count = 1  # the encoder's output depends on the number of threads
            sound.add_to(container)
            for number, image in enumerate(itertools.chain([first], frames), 1):
                container.mux(stream.encode(self.to_video_frame(image)))
                sound.mux_until(container, number / rate)
            container.mux(stream.encode())
            sound.finish(container)

    def to_video_frame(self, image: Image.Image) -> Any:
        """Return the image as an `av.VideoFrame` in the codec's pixel format."""
        frame = self.library.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
        return frame.reformat(format=self.pixel_format, dst_colorspace="ITU601")
