"""Pictures in and out: files, fitting to a size, and 8-bit pixels."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin
from torch import Tensor

from artkit.errors import UsageError
from artkit.files import atomic
from artkit.geometry import Window

MAX_PIXELS = 400_000_000
"""The largest image file that is read: 400 megapixels."""

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


def from_bytes(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    """8-bit pixels (h, w, 3) as a tensor (1, 3, h, w) in [0, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def to_bytes(image: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A picture (3, h, w) in [0, 1] as 8-bit pixels (h, w, 3)."""
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = (
        (image.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    )
    return pixels


def save_png(image: Tensor, file: Path, texts: Mapping[str, str] | None = None) -> None:
    """Write a picture (3, h, w) in [0, 1] as an 8-bit PNG with text chunks, atomically."""
    chunks = PngImagePlugin.PngInfo()
    for key, text in (texts or {}).items():
        chunks.add_itxt(key, text)
    with atomic(file) as temporary:
        Image.fromarray(to_bytes(image)).save(temporary, "PNG", pnginfo=chunks)
