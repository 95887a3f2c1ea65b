"""Writing of PNG files, strip by strip."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ImageCms
from torch import Tensor

from artkit import memmap
from artkit.files import atomic
from artkit.imaging.pixels import Pixels, tensor_to_pixels

_STRIP_BYTES = 1 << 22
"""Bytes of pixels that are filtered and compressed at a time."""


def save_png(image: Tensor, file: Path, texts: Mapping[str, str] | None = None) -> None:
    """Write an image (3, h, w) in [0, 1] as an 8-bit PNG, atomically. texts: key and value of each text chunk."""
    with atomic(file) as temporary, temporary.open("wb") as stream:
        write_png(tensor_to_pixels(image), stream, texts)


def write_png(
    pixels: Pixels, stream: IO[bytes], texts: Mapping[str, str] | None = None, dpi: float | None = None
) -> None:
    """Write pixels (h, w, 3 or 4) of 8 or 16 bits as a PNG in sRGB, strip by strip: they may be memory-mapped.

    The fourth channel is straight alpha. texts: key and value of each text chunk.
    """
    height, width, channels = pixels.shape
    bits = 8 * pixels.dtype.itemsize
    compressor = zlib.compressobj(6)

    def write_chunk(kind: bytes, content: bytes) -> None:
        stream.write(struct.pack(">I", len(content)) + kind + content)
        stream.write(struct.pack(">I", zlib.crc32(kind + content)))

    stream.write(b"\x89PNG\r\n\x1a\n")
    write_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, {3: 2, 4: 6}[channels], 0, 0, 0))
    write_chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(srgb_profile()))
    if dpi:
        pixels_per_metre = round(dpi / 0.0254)
        write_chunk(b"pHYs", struct.pack(">IIB", pixels_per_metre, pixels_per_metre, 1))
    for key, text in (texts or {}).items():
        write_chunk(b"iTXt", key.encode("latin-1") + b"\0\0\0\0\0" + text.encode())
    previous_row = np.zeros((1, width * channels * bits // 8), np.uint8)
    rows_per_strip = max(1, _STRIP_BYTES // previous_row.size)
    for top in range(0, height, rows_per_strip):
        strip = np.ascontiguousarray(pixels[top : top + rows_per_strip], f">u{bits // 8}")
        rows = strip.view(np.uint8).reshape(len(strip), -1)
        if compressed := compressor.compress(_paeth_filter(rows, previous_row, channels * bits // 8)):
            write_chunk(b"IDAT", compressed)
        previous_row = rows[-1:]
        memmap.release()
    write_chunk(b"IDAT", compressor.flush())
    write_chunk(b"IEND", b"")


def _paeth_filter(rows: Pixels, previous_row: Pixels, pixel_bytes: int) -> bytes:
    """Apply the Paeth filter of the PNG specification to rows of bytes, each preceded by the filter type 4.

    A byte is predicted by whichever of left (a), above (b) and upper left (c) is nearest to a + b - c.
    """
    b = np.concatenate([previous_row, rows[:-1]]).astype(np.int16)
    a, c = np.zeros_like(b), np.zeros_like(b)
    a[:, pixel_bytes:], c[:, pixel_bytes:] = rows[:, :-pixel_bytes], b[:, :-pixel_bytes]
    to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    predicted = np.where((to_a <= to_b) & (to_a <= to_c), a, np.where(to_b <= to_c, b, c))
    filtered = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
    filtered[:, 0], filtered[:, 1:] = 4, rows - predicted.astype(np.uint8)
    return filtered.tobytes()


@cache
def srgb_profile() -> bytes:
    """Return the ICC profile of sRGB, with a fixed date: the same picture gives the same file."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # date and time of creation
    return bytes(profile)
