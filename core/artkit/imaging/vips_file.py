"""Reading of image files with libvips, which reads more kinds of TIFFs than Pillow."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from artkit.imaging.pixels import Pixels
from artkit.imaging.sample_values import is_white_zero, sample_range, scale_samples

_RGB_OR_GREY = ("srgb", "rgb", "rgb16", "scrgb", "b-w", "grey16", "multiband")
_PROFILE = "icc-profile-data"


@cache
def vips_library() -> Any:
    """Return the module pyvips of the extra `export`, or None if it is not installed."""
    try:
        return importlib.import_module("pyvips")
    except (ImportError, OSError):
        return None


class VipsFile:
    """An image file opened with libvips. size: width and height of the upright image, px.

    All methods raise ``pyvips.Error`` if the file is damaged or of an unknown format.
    """

    def __init__(self, file: Path) -> None:
        vips = vips_library()
        source = vips.Source.new_from_file(str(file))  # unlike a file name, it has no options in brackets
        self._image: Any = vips.Image.new_from_source(source, "", fail_on="error").autorot()
        self.size: tuple[int, int] = (self._image.width, self._image.height)

    def read(self, tags: Mapping[int, Any]) -> tuple[Image.Image, tuple[str, ...]]:
        """Return the image as RGB or RGBA in sRGB, and notes. tags: of a TIFF, else empty."""
        image, profile = self._image, self._image.get_typeof(_PROFILE) != 0
        if str(image.interpretation) not in _RGB_OR_GREY:
            image = image.icc_transform("srgb", embedded=True) if profile else image.colourspace("srgb")
            profile = False
        values: Pixels = image.numpy().reshape(image.height, image.width, image.bands)
        colours = 1 if image.bands < 3 else 3
        colour, alpha = values[..., :colours], values[..., colours : colours + 1]
        # libvips inverts integers whose white is 0, and no floats.
        invert = is_white_zero(tags) and values.dtype.kind == "f"
        if values.dtype == np.uint8:
            notes, scaled = "", colour
        else:
            scale = sample_range(colour, tags)
            notes, scaled = scale.note, scale_samples(colour, scale, invert, 16)
        picture = Image.fromarray(self._to_srgb(scaled, profile)).convert("RGB")
        if alpha.shape[-1]:
            opaque = alpha if alpha.dtype == np.uint8 else scale_samples(alpha, sample_range(alpha, {}), False)
            picture.putalpha(Image.fromarray(np.ascontiguousarray(opaque[..., 0])))
        return picture, (notes,) if notes else ()

    def _to_srgb(self, colour: Pixels, profile: bool) -> Pixels:
        """Return colours (h, w, 1 or 3) of 8 or 16 bits as 8-bit sRGB: (h, w) or (h, w, 3)."""
        bits = 8 * colour.dtype.itemsize
        if profile:
            kind = "srgb" if bits == 8 else "rgb16"
            if colour.shape[-1] == 1:
                kind = "b-w" if bits == 8 else "grey16"
            image = vips_library().Image.new_from_array(np.ascontiguousarray(colour)).copy(interpretation=kind)
            image.set_type(vips_library().GValue.blob_type, _PROFILE, self._image.get(_PROFILE))
            colour, bits = image.icc_transform("srgb", embedded=True, depth=8).numpy(), 8
        if bits == 16:
            colour = np.rint(colour / 257).astype(np.uint8)
        return colour[..., 0] if colour.ndim == 3 and colour.shape[-1] == 1 else colour
