"""Pictures in and out: files, fitting to a size, and pixels of 8 and 16 bits."""

from __future__ import annotations

import contextlib
import struct
import warnings
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

from artkit import scratch
from artkit.errors import UsageError
from artkit.files import atomic
from artkit.geometry import Window

MAX_PIXELS = 400_000_000
"""The largest image file that is read: 400 megapixels."""

_STRIP = 1 << 22  # bytes that a PNG is filtered and packed by

Pixels = npt.NDArray[Any]
"""Whole numbers of 8 or 16 bits: (h, w, channels)."""

Fit = Literal["cover", "contain", "stretch"]
"""How an image is brought to the picture's size: cut to its shape, padded with the background, or stretched."""


class Picture:
    """What is to be painted: an image fitted to the picture's size, of which windows can be cut."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels
        """(1, 3, h, w), sRGB in [0, 1]."""

    def window(self, window: Window) -> Tensor:
        """The pixels of a window at scale 1: (1, 3, h, w)."""
        return self.pixels[:, :, window.y : window.y + window.height, window.x : window.x + window.width]

    def to(self, device: torch.device) -> Picture:
        """The picture with its pixels on a device."""
        return Picture(self.pixels.to(device))


def load(file: Path, size: tuple[int, int], fit: Fit = "cover", background: Tensor | None = None) -> Picture:
    """Read an image file and fit it to `size` (width, height) px.

    Transparent parts show the background, (3,) in [0, 1]. Raises UsageError for a file that is no image, is damaged or
    has more than `MAX_PIXELS`.
    """
    ground = tuple(round(255 * c) for c in ([1.0] * 3 if background is None else background.tolist()))
    try:
        with contextlib.ExitStack() as stack, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            stack.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
            Image.MAX_IMAGE_PIXELS = None  # the bound below has a message of its own
            with Image.open(file) as opened:
                width, height = opened.size
                if width * height > MAX_PIXELS:
                    raise UsageError(
                        f"{file} is {width} x {height} px; the most is {MAX_PIXELS // 10**6} megapixels",
                        remedy="make a smaller copy",
                    )
                opened.draft("RGB", (size[0] * 2, size[1] * 2))
                image = ImageOps.exif_transpose(opened)
                image.load()
    except UsageError:
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files
        raise UsageError(f"{file} cannot be read as an image ({type(error).__name__}: {error})") from None
    if image.mode.startswith(("I", "F")):  # 16 bits and more: Pillow would cut them off
        values = np.asarray(image, np.float32)
        white = 65535.0 if image.mode.startswith("I") else 1.0
        image = Image.fromarray((values * (255 / white)).round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        sheet = Image.new("RGBA", image.size, (*ground, 255))
        image = Image.alpha_composite(sheet, image)
    image = image.convert("RGB")
    if fit == "cover":
        image = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    elif fit == "contain":
        image = ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=ground)
    else:
        image = image.resize(size, Image.Resampling.LANCZOS)
    return Picture(from_bytes(np.asarray(image)))


def from_bytes(pixels: Pixels) -> Tensor:
    """8-bit pixels (h, w, 3) as a tensor (1, 3, h, w) in [0, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def to_bytes(image: Tensor, bits: int = 8) -> Pixels:
    """A picture (channels, h, w) in [0, 1] as whole numbers of 8 or 16 bits, (h, w, channels)."""
    white = (1 << bits) - 1
    pixels: Pixels = (image.detach().clamp(0, 1) * white).round().permute(1, 2, 0).cpu().numpy()
    return pixels.astype(f"u{bits // 8}")


def save_png(image: Tensor, file: Path, texts: Mapping[str, str] | None = None) -> None:
    """Write a picture (3, h, w) in [0, 1] as an 8-bit PNG with text chunks, atomically."""
    with atomic(file) as temporary, temporary.open("wb") as stream:
        write_png(to_bytes(image), stream, texts)


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
    rows = max(1, _STRIP // above.size)
    for top in range(0, height, rows):
        strip = np.ascontiguousarray(pixels[top : top + rows], f">u{bits // 8}")
        plain = strip.view(np.uint8).reshape(len(strip), -1)
        if packed := packer.compress(_filtered(plain, above, channels * bits // 8)):
            chunk(b"IDAT", packed)
        above = plain[-1:]
        scratch.release(pixels)
    chunk(b"IDAT", packer.flush())
    chunk(b"IEND", b"")


def _filtered(rows: Pixels, above: Pixels, step: int) -> bytes:
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
