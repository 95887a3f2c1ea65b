"""Pictures in and out: files, fitting to a size, and pixels of 8 and 16 bits."""

from __future__ import annotations

import contextlib
import math
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
from torch.nn import functional as F

from artkit import scratch
from artkit.errors import UsageError
from artkit.files import atomic
from artkit.geometry import Window

MAX_PIXELS = 400_000_000
"""The largest image file that is read: 400 megapixels."""

_WHOLE = 1 << 23  # px up to which a picture is fitted at once and kept in memory
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

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.pixels.shape[-1], self.pixels.shape[-2]

    def window(self, window: Window) -> Tensor:
        """The pixels of a window: (1, 3, h, w). Its scale may be less than 1: then it shows more, smaller."""
        x, y, width, height = (round(v / window.scale) for v in (window.x, window.y, window.width, window.height))
        part = self.pixels[:, :, y : y + height, x : x + width]
        return part if window.scale == 1 else F.interpolate(part, (window.height, window.width), mode="area")

    def small(self, most: int) -> tuple[Tensor, float]:
        """All of it, (1, 3, h, w), reduced to at most `most` px if it has more, and by how much it was reduced."""
        width, height = self.size
        shrink = 2.0 ** -max(0, math.ceil(math.log2(width * height / most) / 2))
        return self.window(Window(0, 0, math.ceil(width * shrink), math.ceil(height * shrink), shrink)), shrink

    def to(self, device: torch.device) -> Picture:
        """The picture with its pixels on a device."""
        return Picture(self.pixels.to(device))


class _Large(Picture):
    """A picture of which only the image file's own pixels are kept; windows are fitted as they are asked for."""

    def __init__(
        self,
        source: Pixels,
        size: tuple[int, int],
        box: tuple[float, float, float, float],
        rectangle: tuple[int, int, int, int],
        ground: tuple[int, ...],
        device: torch.device,
    ) -> None:
        """The box (left, top, right, bottom) of a source (h, w, 3) is to fill a rectangle (x, y, width, height) of a
        picture of `size`; the ground's colour is seen around it.
        """
        self._told = source, size, box, rectangle, ground
        self._device = device

    @property
    def pixels(self) -> Tensor:  # type: ignore[override]
        return self.window(Window(0, 0, *self.size))

    @property
    def size(self) -> tuple[int, int]:
        return self._told[1]

    def window(self, window: Window) -> Tensor:
        source, _, box, rectangle, ground = self._told
        sheet = Image.new("RGB", (window.width, window.height), ground)
        spans = []
        for start, length, low, high, first, whole, there in (
            (window.x, window.width, box[0], box[2], rectangle[0], rectangle[2], source.shape[1]),
            (window.y, window.height, box[1], box[3], rectangle[1], rectangle[3], source.shape[0]),
        ):
            begin = min(max(round(first * window.scale) - start, 0), length)
            end = min(max(round((first + whole) * window.scale) - start, begin), length)
            step = (high - low) / (whole * window.scale)  # px of the source a px of the window
            from_, to = (low + (place + start - first * window.scale) * step for place in (begin, end))
            from_, to = max(from_, 0.0), min(to, float(there))
            room = math.ceil(3 * max(step, 1)) + 1  # as far as the filter reaches
            cut = max(0, math.floor(from_) - room), min(there, math.ceil(to) + room)
            spans.append((begin, end, from_ - cut[0], to - cut[0], slice(*cut)))
        (x0, x1, left, right, columns), (y0, y1, top, bottom, rows) = spans
        if x1 > x0 and y1 > y0:
            part = Image.fromarray(np.ascontiguousarray(source[rows, columns]))
            scaled = part.resize((x1 - x0, y1 - y0), Image.Resampling.LANCZOS, (left, top, right, bottom))
            sheet.paste(scaled, (x0, y0))
        return from_bytes(np.asarray(sheet)).to(self._device)

    def to(self, device: torch.device) -> Picture:
        return _Large(*self._told, device)


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
    if size[0] * size[1] > _WHOLE:
        return _fitted(image, size, fit, ground)
    if fit == "cover":
        image = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    elif fit == "contain":
        image = ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=ground)
    else:
        image = image.resize(size, Image.Resampling.LANCZOS)
    return Picture(from_bytes(np.asarray(image)))


def _fitted(image: Image.Image, size: tuple[int, int], fit: Fit, ground: tuple[int, ...]) -> Picture:
    """The image as it is fitted to a large picture."""
    width, height = image.size
    box, rectangle = (0.0, 0.0, float(width), float(height)), (0, 0, *size)
    if fit == "cover":
        seen = min(width / size[0], height / size[1])
        left, top = (width - seen * size[0]) / 2, (height - seen * size[1]) / 2
        box = (left, top, width - left, height - top)
    elif fit == "contain":
        grown = min(size[0] / width, size[1] / height)
        w, h = min(round(width * grown), size[0]), min(round(height * grown), size[1])
        rectangle = (round((size[0] - w) / 2), round((size[1] - h) / 2), w, h)
    return _Large(np.asarray(image), size, box, rectangle, ground, torch.device("cpu"))


def from_bytes(pixels: Pixels) -> Tensor:
    """8-bit pixels (h, w, 3) as a tensor (1, 3, h, w) in [0, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def to_bytes(image: Tensor, bits: int = 8) -> Pixels:
    """A picture (channels, h, w) in [0, 1] as whole numbers of 8 or 16 bits, (h, w, channels)."""
    white = (1 << bits) - 1
    pixels: Pixels = (image.detach().clamp(0, 1) * white).round().permute(1, 2, 0).cpu().numpy()
    return pixels.astype(f"u{bits // 8}")


def reduced(pixels: Pixels, shrink: int) -> Tensor:
    """8-bit pixels (h, w, 3), which may lie on the disk, as a picture that many times smaller: (3, ., .) in [0, 1]."""
    rows, columns = (side // shrink for side in pixels.shape[:2])
    small = np.empty((rows, columns, 3), np.float32)
    for row in range(rows):
        strip = pixels[row * shrink : (row + 1) * shrink, : columns * shrink]
        small[row] = strip.reshape(shrink, columns, shrink, 3).mean((0, 2))
        scratch.release()
    return torch.from_numpy(small).permute(2, 0, 1) / 255


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
        scratch.release()
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
