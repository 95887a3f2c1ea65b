"""Reading of image files with libvips, which reads more kinds of TIFFs than Pillow."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from artkit.imaging.colour_profiles import profile_note, profile_space
from artkit.imaging.pixels import Pixels
from artkit.imaging.sample_values import is_white_zero, sample_range, scale_samples

_RGB_OR_GREY = ("srgb", "rgb", "rgb16", "scrgb", "b-w", "grey16", "multiband")
_PROFILE = "icc-profile-data"
_BY_PROFILE = {"embedded": True, "intent": "perceptual", "depth": 8}


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
        image, has_profile = self._image, self._image.get_typeof(_PROFILE) != 0
        notes: list[str] = []
        if str(image.interpretation) not in _RGB_OR_GREY:
            image = image.icc_transform("srgb", **_BY_PROFILE) if has_profile else image.colourspace("srgb")
            has_profile = False
        values: Pixels = image.numpy().reshape(image.height, image.width, image.bands)
        count = 1 if image.bands < 3 else 3
        colour, alpha = values[..., :count], values[..., count : count + 1]
        if colour.dtype != np.uint8:
            scale = sample_range(colour, tags)
            notes.append(scale.note)
            # libvips inverts integers whose white is 0, and no floats.
            colour = scale_samples(colour, scale, is_white_zero(tags) and colour.dtype.kind == "f", 16)
        if has_profile:
            colour, note = self._apply_profile(colour)
            notes.append(note)
        if colour.dtype == np.uint16:
            colour = np.rint(colour / 257).astype(np.uint8)
        picture = Image.fromarray(colour[..., 0] if colour.shape[-1] == 1 else colour).convert("RGB")
        if alpha.shape[-1]:
            opaque = alpha if alpha.dtype == np.uint8 else scale_samples(alpha, sample_range(alpha, {}), False)
            picture.putalpha(Image.fromarray(np.ascontiguousarray(opaque[..., 0])))
        return picture, tuple(note for note in notes if note)

    def _apply_profile(self, colour: Pixels) -> tuple[Pixels, str]:
        """Convert colours (h, w, 1 or 3) of 8 or 16 bits to sRGB of 8 bits by the embedded profile.

        If it is damaged, or of another colour space, the colours stay as they are, and the note says so.
        """
        vips, profile = vips_library(), bytes(self._image.get(_PROFILE))
        space = profile_space(profile)
        if colour.shape[-1] == 1 and space == "RGB":  # some programs store a grey image with the profile of its screen
            colour = colour.repeat(3, -1)
        if note := profile_note(space, "GRAY" if colour.shape[-1] == 1 else "RGB"):
            return colour, note
        kinds = {(1, 1): "b-w", (1, 2): "grey16", (3, 1): "srgb", (3, 2): "rgb16"}
        image = vips.Image.new_from_array(np.ascontiguousarray(colour))
        image = image.copy(interpretation=kinds[colour.shape[-1], colour.dtype.itemsize])
        image.set_type(vips.GValue.blob_type, _PROFILE, profile)
        converted: Pixels = image.icc_transform("srgb", **_BY_PROFILE).numpy()
        return converted.reshape(*colour.shape[:2], -1), ""
