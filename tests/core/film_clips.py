"""Clips for tests, written with PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av")


def scenery(width: int, height: int) -> Image.Image:
    """Return a picture of smooth blobs, in which motion can be found everywhere."""
    small = np.random.default_rng(3).integers(0, 255, (height // 16, width // 16 + 1, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def panned(count: int, size: tuple[int, int] = (64, 48), speed: int = 2) -> list[Image.Image]:
    """Return frames that move over a scenery by `speed` px a frame to the right."""
    wide = scenery(size[0] + speed * count, size[1])
    return [wide.crop((speed * i, 0, speed * i + size[0], size[1])) for i in range(count)]


def write_video(
    file: Path,
    frames: Sequence[Image.Image],
    *,
    rate: int = 12,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    sound: bool = False,
    rotation: int = 0,
    aspect: int = 1,
    options: dict[str, str] | None = None,
) -> Path:
    """Write frames as a video.

    times: of each frame, in 1 / rate s. rotation: that a player applies, degrees. aspect: width by
    height of a pixel.
    """
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = pixels
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        stream.codec_context.thread_count = 1
        track: Any = container.add_stream("aac", rate=48000, layout="mono") if sound else None
        for number, image in enumerate(frames):
            name = "rgba" if image.mode == "RGBA" else "rgb24"
            frame = av.VideoFrame.from_ndarray(np.asarray(image), format=name)
            frame.pts, frame.time_base = times[number] if times else number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if track is not None:
            samples = np.sin(np.arange(48000 * len(frames) // rate) / 20).astype(np.float32)[None]
            tone = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            tone.rate = 48000
            container.mux(track.encode(tone))
            container.mux(track.encode())
    if rotation:
        _rotate(file, rotation)
    return file


def _rotate(file: Path, degrees: int) -> None:
    """Write a display matrix into an MP4 file, as phones do."""
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one = 1 << 16
    matrix = np.array([cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30], ">i4").tobytes()
    content = bytearray(file.read_bytes())
    header = content.index(b"tkhd") + 4
    content[header + 40 : header + 76] = matrix
    file.write_bytes(bytes(content))
