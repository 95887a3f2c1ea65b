"""TODO: artkit.imaging.png."""

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

_STRIP_BYTES = 1 << 22  # bytes that a PNG is filtered and packed by


def save_png(image: Tensor, file: Path, texts: Mapping[str, str] | None = None) -> None:
    """Write a picture (3, h, w) in [0, 1] as an 8-bit PNG with text chunks, atomically."""
    with atomic(file) as temporary, temporary.open("wb") as stream:
        write_png(tensor_to_pixels(image), stream, texts)


def write_png(
    pixels: Pixels, stream: IO[bytes], texts: Mapping[str, str] | None = None, dpi: float | None = None
) -> None:
    """Write pixels (h, w, 3 or 4) of 8 or 16 bits as a PNG in sRGB, strip by strip: they may lie on the disk.

    The fourth channel is straight alpha. texts: what the file tells of itself.
    """
    height, width, channels = pixels.shape
    bits = 8 * pixels.dtype.itemsize
    packer = zlib.compressobj(6)

    def chunk(kind: bytes, content: bytes) -> None:
        stream.write(struct.pack(">I", len(content)) + kind + content)
        stream.write(struct.pack(">I", zlib.crc32(kind + content)))

    stream.write(b"\x89PNG\r\n\x1a\n")
    chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, {3: 2, 4: 6}[channels], 0, 0, 0))
    chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(srgb_profile()))
    if dpi:
        a_metre = round(dpi / 0.0254)
        chunk(b"pHYs", struct.pack(">IIB", a_metre, a_metre, 1))
    for key, text in (texts or {}).items():
        chunk(b"iTXt", key.encode("latin-1") + b"\0\0\0\0\0" + text.encode())
    above = np.zeros((1, width * channels * bits // 8), np.uint8)
    rows = max(1, _STRIP_BYTES // above.size)
    for top in range(0, height, rows):
        strip = np.ascontiguousarray(pixels[top : top + rows], f">u{bits // 8}")
        plain = strip.view(np.uint8).reshape(len(strip), -1)
        if packed := packer.compress(_paeth_filter(plain, above, channels * bits // 8)):
            chunk(b"IDAT", packed)
        above = plain[-1:]
        memmap.release()
    chunk(b"IDAT", packer.flush())
    chunk(b"IEND", b"")


def _paeth_filter(rows: Pixels, above: Pixels, step: int) -> bytes:
    """Rows of bytes as PNG's Paeth filter leaves them: each less its nearest neighbour of left, above and both."""
    b = np.concatenate([above, rows[:-1]]).astype(np.int16)
    a, c = np.zeros_like(b), np.zeros_like(b)
    a[:, step:], c[:, step:] = rows[:, :-step], b[:, :-step]
    to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    guess = np.where((to_a <= to_b) & (to_a <= to_c), a, np.where(to_b <= to_c, b, c))
    out = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
    out[:, 0], out[:, 1:] = 4, rows - guess.astype(np.uint8)
    return out.tobytes()


@cache
def srgb_profile() -> bytes:
    """The ICC profile of sRGB."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # when it was made: the same file must come out again
    return bytes(profile)
