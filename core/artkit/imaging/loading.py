"""TODO: artkit.imaging.loading."""

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
from artkit.imaging.target_image import TargetImage, _LargeTargetImage

MAX_PIXELS = 400_000_000
"""The largest image file that is read: 400 megapixels."""


_MAX_RESIZED_PIXELS = 1 << 23  # px up to which a picture is fitted at once and kept in memory


Fit = Literal["cover", "contain", "stretch"]
"""How an image is brought to the picture's size: cut to its shape, padded with the background, or stretched."""


def load_target_image(
    file: Path, size: tuple[int, int], fit: Fit = "cover", background: Tensor | None = None
) -> TargetImage:
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
                        hint="make a smaller copy",
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
    if size[0] * size[1] > _MAX_RESIZED_PIXELS:
        return _fit_large(image, size, fit, ground)
    if fit == "cover":
        image = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    elif fit == "contain":
        image = ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=ground)
    else:
        image = image.resize(size, Image.Resampling.LANCZOS)
    return TargetImage(pixels_to_tensor(np.asarray(image)))


def _fit_large(image: Image.Image, size: tuple[int, int], fit: Fit, ground: tuple[int, ...]) -> TargetImage:
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
    return _LargeTargetImage(np.asarray(image), size, box, rectangle, ground, torch.device("cpu"))
