"""Loading of image files as target images of a given size."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from artkit.imaging.image_file import read_image
from artkit.imaging.pixels import pixels_to_tensor
from artkit.imaging.target_image import LazyTargetImage, TargetImage

MAX_PIXELS = 400_000_000
"""The most pixels that an image file may have."""

_MAX_RESIZED_PIXELS = 1 << 23
"""Targets with up to this many pixels are resized at once and kept in memory. Larger ones are resized window by window,
when the windows are needed."""

Fit = Literal["cover", "contain", "stretch"]
"""How an image is fitted to another shape: cropped, padded with the background, or stretched."""

_OTHER_FITS = {
    "cover": 'fit = "contain" or "stretch" shows all of it',
    "stretch": 'fit = "contain" or "cover" keeps the shape',
}


def load_target_image(
    file: Path,
    size: tuple[int, int],
    fit: Fit = "cover",
    background: Tensor | None = None,
    notes: list[str] | None = None,
    report_shape: bool = False,
) -> TargetImage:
    """Read an image file and fit it to `size` (width, height) px.

    background: colour (3,) in [0, 1] behind transparent pixels, white by default. notes: lines for the user are
    appended to it, such as what was assumed about the file and, with report_shape, how much is cut off or stretched.
    Raises UsageError if the file is not an image, is damaged or has more than `MAX_PIXELS`.
    """
    lines: list[str] = []
    image, full_size = load_rgb(file, size, lines, _to_8_bits(background))
    if report_shape and (note := shape_note(full_size, size, fit)):
        lines.append(f"{file}: {note}; {_OTHER_FITS[fit]}")
    if notes is not None:
        notes += [line for line in lines if line not in notes]
    return fit_image(image, size, fit, background)


def fit_image(
    image: Image.Image, size: tuple[int, int], fit: Fit = "cover", background: Tensor | None = None
) -> TargetImage:
    """Fit an RGB image to `size` (width, height) px. background: see `load_target_image`."""
    colour = _to_8_bits(background)
    if size[0] * size[1] > _MAX_RESIZED_PIXELS:
        return _fit_lazily(image, size, fit, colour)
    if fit == "cover":
        image = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    elif fit == "contain":
        image = ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=colour)
    else:
        image = image.resize(size, Image.Resampling.LANCZOS)
    return TargetImage(pixels_to_tensor(np.asarray(image)))


def _to_8_bits(colour: Tensor | None) -> tuple[int, ...]:
    return tuple(round(255 * c) for c in ([1.0] * 3 if colour is None else colour.tolist()))


def load_rgb(
    file: Path, needed: tuple[int, int], notes: list[str], background: tuple[int, ...] = (255, 255, 255)
) -> tuple[Image.Image, tuple[int, int]]:
    """Read an image file as upright RGB in sRGB, and return it with its width and height at full scale, px.

    needed: width and height at which it will be used, px; it may be decoded at a lower scale, at least twice as large.
    notes: lines for the user are appended. background: 8-bit colour behind transparent pixels. Raises UsageError as
    `load_target_image` does.
    """
    contents = read_image(file, needed, MAX_PIXELS)
    notes += [f"{file}: {note}" for note in contents.notes]
    image = contents.image
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image).convert("RGB")
    return image, contents.size


def shape_note(image: tuple[int, int], target: tuple[int, int], fit: Fit = "cover") -> str:
    """Return how much of an image is cut off or stretched to the shape of the target.

    image, target: width and height, px. Empty if the shapes are the same but for one pixel of the target, or if the
    whole image is shown in its shape.
    """
    scale = max(target[0] / image[0], target[1] / image[1])
    rest = [image[axis] * scale - target[axis] for axis in (0, 1)]
    axis = int(rest[1] > rest[0])
    if rest[axis] <= 1 or fit == "contain":
        return ""
    shapes = f"{image[0]} x {image[1]} px do not have the shape of {target[0]} x {target[1]}"
    if fit == "stretch":
        return f"{shapes}: stretched {('in height', 'in width')[axis]} by {_percent(rest[axis] / target[axis])}"
    share = rest[axis] / (image[axis] * scale)
    return f"{shapes}: {_percent(share)} are cut off, {('left and right', 'above and below')[axis]}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else f"{share:.1%}"


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
