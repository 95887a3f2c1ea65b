"""Loading of image files as target images of a given size."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from artkit.errors import UsageError
from artkit.imaging.pixels import pixels_to_tensor
from artkit.imaging.target_image import LazyTargetImage, TargetImage

MAX_PIXELS = 400_000_000
"""The most pixels that an image file may have."""

_MAX_RESIZED_PIXELS = 1 << 23
"""Targets with up to this many pixels are resized at once and kept in memory. Larger ones are resized window by window,
when the windows are needed."""

Fit = Literal["cover", "contain", "stretch"]
"""How an image is fitted to another shape: cropped, padded with the background, or stretched."""


def load_target_image(
    file: Path, size: tuple[int, int], fit: Fit = "cover", background: Tensor | None = None
) -> TargetImage:
    """Read an image file and fit it to `size` (width, height) px.

    background: colour (3,) in [0, 1] behind transparent pixels, white by default. Raises UsageError if the file is not
    an image, is damaged or has more than `MAX_PIXELS`.
    """
    colour = tuple(round(255 * c) for c in ([1.0] * 3 if background is None else background.tolist()))
    image = _to_rgb(_read_image(file, size), colour)
    if size[0] * size[1] > _MAX_RESIZED_PIXELS:
        return _fit_lazily(image, size, fit, colour)
    if fit == "cover":
        image = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    elif fit == "contain":
        image = ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=colour)
    else:
        image = image.resize(size, Image.Resampling.LANCZOS)
    return TargetImage(pixels_to_tensor(np.asarray(image)))


def _read_image(file: Path, size: tuple[int, int]) -> Image.Image:
    """Read an image file and rotate it as its EXIF orientation says. `size` lets JPEGs be decoded at a lower scale."""
    try:
        with contextlib.ExitStack() as stack, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            stack.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
            Image.MAX_IMAGE_PIXELS = None  # the check below has a message of its own
            with Image.open(file) as opened:
                width, height = opened.size
                if width * height > MAX_PIXELS:
                    raise UsageError(
                        f"{file} has {width} x {height} px; at most {MAX_PIXELS // 10**6} megapixels are allowed",
                        hint="use a smaller copy of the image",
                    )
                opened.draft("RGB", (size[0] * 2, size[1] * 2))
                image = ImageOps.exif_transpose(opened)
                image.load()
                return image
    except UsageError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds of exceptions on damaged files
        raise UsageError(f"{file} cannot be read as an image ({type(error).__name__}: {error})") from None


def _to_rgb(image: Image.Image, background: tuple[int, ...]) -> Image.Image:
    """Convert an image of any mode to 8-bit RGB; transparent pixels show the background."""
    if image.mode.startswith(("I", "F")):  # 16 bits and more, which Pillow would clip to 255
        values = np.asarray(image, np.float32)
        white = 65535.0 if image.mode.startswith("I") else 1.0
        image = Image.fromarray((values * (255 / white)).round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image)
    return image.convert("RGB")


def _fit_lazily(image: Image.Image, size: tuple[int, int], fit: Fit, background: tuple[int, ...]) -> TargetImage:
    """Return a target of a large size whose windows are resized when they are needed."""
    width, height = image.size
    source_box, target_box = (0.0, 0.0, float(width), float(height)), (0, 0, *size)
    if fit == "cover":
        scale = min(width / size[0], height / size[1])  # px of the image per px of the target
        left, top = (width - scale * size[0]) / 2, (height - scale * size[1]) / 2
        source_box = (left, top, width - left, height - top)
    elif fit == "contain":
        scale = min(size[0] / width, size[1] / height)  # px of the target per px of the image
        w, h = min(round(width * scale), size[0]), min(round(height * scale), size[1])
        target_box = (round((size[0] - w) / 2), round((size[1] - h) / 2), w, h)
    return LazyTargetImage(np.asarray(image), size, source_box, target_box, background, torch.device("cpu"))
