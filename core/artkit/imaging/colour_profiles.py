"""Conversion of images to sRGB by their colour profiles."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageCms

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}
"""The colour space of a profile for each mode of Pillow."""

SRGB_PRIMARIES = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141))
"""XYZ of the primaries of sRGB, adapted to D50."""

_LEVELS = 9
"""Levels of each channel of the swatch on which a profile is compared with sRGB."""


def convert_to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """Convert an 8-bit image of any mode to RGB or RGBA in sRGB. Returns a note too, empty if there is none.

    profile: the ICC profile of its values; without one they are sRGB, or naively converted CMYK. A damaged profile, or
    one of another colour space, is ignored, which the note says.
    """
    alpha = None
    image = image.convert("LA") if image.mode == "La" else image
    if image.has_transparency_data:
        image = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("L" if image.mode == "LA" else "RGB")
    elif image.mode not in _SPACES:
        image = image.convert("L" if image.mode == "1" else "RGB")
    converted, note = _apply_profile(image, profile)
    if alpha is not None:
        converted.putalpha(alpha)
    return converted, note


def _apply_profile(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    if profile is None and image.mode == "LAB":
        source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        return _transform(image, source), ""
    if profile is None:
        return image.convert("RGB"), ""
    space = profile_space(profile)
    if image.mode == "L" and space == "RGB":  # some programs store a grey image with the profile of its screen
        image = image.convert("RGB")
    if note := profile_note(space, _SPACES[image.mode]):
        return _apply_profile(image, None)[0], note
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if image.mode == "RGB" and _is_srgb(source):
        return image, ""
    return _transform(image, source), ""


def profile_space(profile: bytes) -> str:
    """Return the colour space of an ICC profile's values: RGB, GRAY, CMYK, Lab, …; empty if it is damaged."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() == "RGB":
            _transform(Image.new("RGB", (1, 1)), source)
        return source.profile.xcolor_space.strip()
    except (OSError, ImageCms.PyCMSError):
        return ""


def profile_note(space: str, needed: str) -> str:
    """Return a note on a profile that does not fit the values of an image; empty if it does."""
    if space == needed:
        return ""
    if not space:
        return "its colour profile is damaged and is ignored"
    return f"its colour profile is of {space} instead of {needed} values and is ignored"


def _transform(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # only None if it is converted in place
    converted.info.pop("icc_profile", None)
    return converted


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Return whether a profile of RGB is one of the many of sRGB: then the pixels stay exactly as they are."""
    levels = np.linspace(0, 255, _LEVELS).round().astype(np.uint8)
    swatch = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    converted = np.asarray(_transform(Image.fromarray(swatch), profile))
    return int(np.abs(converted.astype(int) - swatch).max()) <= 1


def matrix_profile(primaries: Sequence[tuple[float, float, float]], gamma: float, name: str) -> bytes:
    """Return an ICC profile (version 2) of RGB values.

    primaries: XYZ of red, green and blue, adapted to D50, that add up to its white. gamma: exponent of the values.
    """

    def fixed(numbers: Sequence[float]) -> bytes:
        return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))

    white = fixed((0.9642, 1.0, 0.8249))
    text = name.encode("ascii") + b"\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(12 + 67),
        b"cprt": b"text\0\0\0\0" + b"public domain\0",
        b"wtpt": b"XYZ \0\0\0\0" + white,
        **{key: b"XYZ \0\0\0\0" + fixed(p) for key, p in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))),
    }
    table, content, start = b"", b"", 128 + 4 + 12 * len(tags)
    for key, value in tags.items():
        table += key + struct.pack(">II", start + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    length = start + len(content)
    header = struct.pack(">I4xI4s4s4s", length, 0x02100000, b"mntr", b"RGB ", b"XYZ ") + bytes(12)
    header += b"acsp" + bytes(28) + white
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + content


@cache
def adobe_rgb_profile() -> bytes:
    """Return a profile of Adobe RGB (1998), which cameras name in EXIF instead of embedding it."""
    primaries = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
    return matrix_profile(primaries, 563 / 256, "compatible with Adobe RGB (1998)")
