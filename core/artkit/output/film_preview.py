"""The preview of a film that is being painted: a video that grows and can be watched at any time."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path

import numpy as np

from artkit.files import cannot_write
from artkit.imaging.pixels import Pixels
from artkit.imaging.video_file import video_library

FILM_VIDEO_FILE = "painting.mp4"
"""Name of the finished film in the run's folder."""
PREVIEW_FILE = "preview.ts"
"""Name of the preview in the run's folder: an MPEG transport stream, which may end at any place."""

_OPTIONS = {"crf": "20", "preset": "veryfast", "mbtree": "0", "tune": "zerolatency"}
_START_TICKS = 90_000  # of the first frame; times of a transport stream must not be negative
_TICKS_PER_SECOND = 90_000


class FilmPreview:
    """The growing preview of a film. length: bytes of it that are complete."""

    def __init__(self, folder: Path, rate: float, length: int = 0) -> None:
        self.file, self._rate, self.length = folder / PREVIEW_FILE, rate, length

    def append(self, pixels: Pixels, number: int) -> None:
        """Append a frame (h, w, 3), encoded by itself, so that the bytes do not depend on where a run was interrupted.

        What an interrupted run wrote beyond `length` is overwritten. Raises ArtkitError if the disk is full.
        """
        encoded = self._encode(pixels, number)
        try:
            with self.file.open("r+b" if self.file.exists() else "wb") as stream:
                stream.truncate(self.length)
                stream.seek(self.length)
                stream.write(encoded)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise cannot_write(self.file, error) from None
        self.length += len(encoded)

    def _encode(self, pixels: Pixels, number: int) -> bytes:
        library = video_library()
        height, width = (side - side % 2 for side in pixels.shape[:2])
        buffer = io.BytesIO()
        with library.open(buffer, "w", format="mpegts") as container:
            stream = container.add_stream("libx264", rate=Fraction(self._rate).limit_denominator(1000))
            stream.options = _OPTIONS
            stream.width, stream.height, stream.pix_fmt = max(width, 2), max(height, 2), "yuv420p"
            stream.codec_context.thread_count = 1  # the encoder's output depends on the number of threads
            stream.codec_context.time_base = Fraction(1, _TICKS_PER_SECOND)
            frame = library.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), format="rgb24")
            frame.pts = _START_TICKS + round(number * _TICKS_PER_SECOND / self._rate)
            frame.time_base = Fraction(1, _TICKS_PER_SECOND)
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return buffer.getvalue()
