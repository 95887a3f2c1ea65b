"""Reading of image files of any kind as upright 8-bit images in sRGB.

Pillow decodes. What it cannot read, such as TIFFs of several float channels, is decoded by libvips, and photos of
iPhones (HEIC) by libheif, if these libraries of the extras `export` and `heic` are installed.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from artkit.errors import UsageError
from artkit.imaging.colour_profiles import SRGB_PRIMARIES, adobe_rgb_profile, convert_to_srgb, matrix_profile
from artkit.imaging.sample_values import is_white_zero, sample_range, scale_samples, typed_samples
from artkit.imaging.vips_file import VipsFile, vips_library

# Others are left out on purpose: Pillow would have Ghostscript execute the program that an EPS is, for example.
_PILLOW_FORMATS = (
    "AVIF", "BMP", "DDS", "DIB", "GIF", "ICNS", "ICO", "IM", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "PSD",
    "QOI", "SGI", "TGA", "TIFF", "WEBP", "XBM",
)  # fmt: skip
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Other files are not given to libvips, which would render an SVG or a PDF, for example.
_VIPS_SIGNATURES = (*_TIFF_SIGNATURES, b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"\xff\x0a", b"\0\0\0\x0cJXL ")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS_PER_SAMPLE, _PLANAR_CONFIGURATION, _SAMPLE_FORMAT = 254, 256, 257, 258, 284, 339
_GAMMA_TOLERANCE = 0.02  # sRGB is written as 1 / 2.2
_DARK_HIGH_BYTE = 15  # 16-bit colours of at most 12 bits have no larger high byte

_INSTALL_EXPORT = "pip install 'neural-artkit[export]' installs libvips, which may read it; or save it as PNG or JPEG"


class _UnsupportedError(Exception):
    """Pillow would decode a file wrongly."""


@dataclass(frozen=True)
class ImageFile:
    """The contents of an image file.

    image: upright, RGB or RGBA, sRGB; perhaps decoded at a lower scale. size: width and height of the upright image at
    full scale, px. notes: what was assumed or left out, to be printed after the name of the file.
    """

    image: Image.Image
    size: tuple[int, int]
    notes: tuple[str, ...]


def read_image(file: Path, needed: tuple[int, int], max_pixels: int) -> ImageFile:
    """Read an image file.

    needed: width and height at which the image will be used, px: JPEGs may be decoded at a lower scale, at least twice
    as large. Raises UsageError if the file is not an image, is damaged, needs a library that is not installed, or has
    more than `max_pixels`.
    """
    try:
        with open_with_pillow(file, max_pixels) as opened:
            return _read_with_pillow(file, opened, needed)
    except UsageError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds of exceptions on damaged files
        with _vips(file, error) as opened_by_vips:
            _check_pixels(file, opened_by_vips.size, max_pixels)
            return _read_with_vips(file, opened_by_vips)


def image_size(file: Path) -> tuple[int, int]:
    """Return width and height of an image file in px, upright; only its header is read. Raises as `read_image`."""
    try:
        with open_with_pillow(file, sys.maxsize) as opened:
            return _upright_size(opened)
    except UsageError:
        raise
    except Exception as error:
        with _vips(file, error) as opened_by_vips:
            return opened_by_vips.size


@contextlib.contextmanager
def open_with_pillow(file: Path, max_pixels: int) -> Iterator[Image.Image]:
    """Open a file with Pillow, or with libheif as Pillow does. Raises UsageError if it has more than `max_pixels`."""
    with contextlib.ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about damaged metadata
        stack.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = None  # `_check_pixels` has a message of its own
        try:
            opened: Image.Image = stack.enter_context(Image.open(file, formats=_pillow_formats()))
            _check_pixels(file, opened.size, max_pixels)
        except UnidentifiedImageError:
            if not _is_heif(file):
                raise
            opened = stack.enter_context(_open_heif(file, max_pixels))
        # Pillow raises an error at twice as many, such as those of a PNG in an icon that claims to be smaller.
        Image.MAX_IMAGE_PIXELS = max_pixels // 2
        yield opened


@cache
def _pillow_formats() -> tuple[str, ...]:
    """Return the formats that this version of Pillow reads."""
    Image.init()
    return tuple(name for name in _PILLOW_FORMATS if name in Image.OPEN)


def _is_heif(file: Path) -> bool:
    with file.open("rb") as stream:
        header = stream.read(12)
    return header[4:8] == b"ftyp" and header[8:] in _HEIF_BRANDS


def _open_heif(file: Path, max_pixels: int) -> Image.Image:
    try:
        library = importlib.import_module("pillow_heif")
    except ImportError:
        raise UsageError(
            f"{file} is a HEIC photo, which needs the library pillow-heif",
            hint="pip install 'neural-artkit[heic]', or save the photo as JPEG",
        ) from None
    opened = library.open_heif(file)
    _check_pixels(file, opened.size, max_pixels)
    image: Image.Image = opened.to_pillow()
    return image


def _check_pixels(file: Path, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise UsageError(
            f"{file} has {width} x {height} px; at most {max_pixels // 10**6} megapixels are allowed",
            hint="use a smaller copy of the image",
        )


def _upright_size(opened: Image.Image) -> tuple[int, int]:
    # The size of a TIFF is upright already in some versions of Pillow.
    tags: Mapping[int, Any] = getattr(opened, "tag_v2", {})
    width, height = tags.get(_WIDTH, opened.width), tags.get(_HEIGHT, opened.height)
    turned = opened.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


def _read_with_pillow(file: Path, opened: Image.Image, needed: tuple[int, int]) -> ImageFile:
    raw_mode = _raw_mode(opened)  # first: Pillow decodes some formats to read their EXIF
    size, notes = _upright_size(opened), [_frames_note(file, opened)]
    width, height = needed if size == opened.size else needed[::-1]  # of the image as it is stored
    opened.draft("RGB", (width * 2, height * 2))
    tags: Mapping[int, Any] = getattr(opened, "tag_v2", {})
    if tags.get(_PLANAR_CONFIGURATION) == 2 and max(tags.get(_BITS_PER_SAMPLE, (8,))) > 8:
        raise _UnsupportedError("16-bit channels that are stored one after the other")
    profile = opened.info.get("icc_profile") or _implied_profile(opened)
    is_16_bit = raw_mode.endswith(("16L", "16B"))
    if (
        "icc_profile" in opened.info
        and vips_library() is not None
        and (is_16_bit or opened.mode.startswith(("I", "F")))
    ):
        raise _UnsupportedError("a colour profile of more than 8 bits")  # libvips converts all bits
    image = ImageOps.exif_transpose(opened)
    image.load()
    if image.mode.startswith(("I", "F")) or (image.mode == "L" and tags.get(_SAMPLE_FORMAT) in (2, (2,))):
        image, note = _to_8_bits(image, tags)
        notes.append(note)
    elif is_16_bit and _is_dark(image):
        # Pillow keeps the high bytes only; in data of 12 bits they are nearly 0.
        if vips_library() is not None:
            raise _UnsupportedError("16-bit values that are nearly black")
        notes.append("its 16-bit values are nearly black; if they have fewer bits, " + _INSTALL_EXPORT)
    elif raw_mode in ("L;2", "L;4") and "transparency" in image.info:  # Pillow does not scale it as it does the pixels
        image.info["transparency"] *= 255 // ((1 << int(raw_mode[2:])) - 1)
    image, note = convert_to_srgb(image, profile)
    return ImageFile(image, size, tuple(note for note in (*notes, note) if note))


def _raw_mode(opened: Image.Image) -> str:
    """Return how the pixels are stored, in Pillow's terms, such as ``"RGB;16B"``; empty if it is not known."""
    tiles = getattr(opened, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _frames_note(file: Path, opened: Image.Image) -> str:
    if opened.format == "TIFF":
        return _pages_note(_tiff_directories(file))
    # An MPO is a photo with previews, or its second view.
    animated = opened.format != "MPO" and getattr(opened, "is_animated", False)
    return "it is animated; its first frame is used" if animated else ""


def _pages_note(directories: Sequence[Mapping[int, Any]]) -> str:
    """Return a note on the first two pages of a TIFF: one of a camera may begin with a preview."""
    reduced = [bool(tags.get(_SUBFILE_TYPE, 0) & 1) for tags in directories]
    if reduced[:1] == [True]:
        size = f"{directories[0].get(_WIDTH)} x {directories[0].get(_HEIGHT)} px"
        return f"only its preview of {size} can be read; save the photo as JPEG or TIFF"
    return "it has several pages; the first one is used" if reduced[1:] == [False] else ""


def _implied_profile(opened: Image.Image) -> bytes | None:
    """Return the profile of a file that embeds none but names it: Adobe RGB in EXIF, or the gamma of a PNG."""
    gamma = opened.info.get("gamma")
    if gamma and "srgb" not in opened.info and abs(gamma - 1 / 2.2) > _GAMMA_TOLERANCE:
        return matrix_profile(SRGB_PRIMARIES, 1 / gamma, "gamma of a PNG")
    if opened.format not in ("JPEG", "MPO", "TIFF") or opened.mode != "RGB":
        return None
    index = opened.getexif().get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex)
    return adobe_rgb_profile() if str(index).strip("\0 ") == "R03" else None


def _to_8_bits(image: Image.Image, tags: Mapping[int, Any]) -> tuple[Image.Image, str]:
    """Convert a grey image of more than 8 bits, or with signed values, to L or LA. Returns a note too."""
    stored = np.asarray(image)
    values = typed_samples(stored, tags)
    scale = sample_range(values, tags)
    grey = Image.fromarray(scale_samples(values, scale, is_white_zero(tags)))
    if (transparent := image.info.get("transparency")) is not None:
        grey.putalpha(Image.fromarray(np.where(stored == transparent, 0, 255).astype(np.uint8)))
    return grey, scale.note


def _is_dark(image: Image.Image) -> bool:
    return all(high <= _DARK_HIGH_BYTE for _, high in (image.getextrema()[:3]))  # type: ignore[misc]


@contextlib.contextmanager
def _vips(file: Path, error: Exception) -> Iterator[VipsFile]:
    """Open a file with libvips. Raises UsageError if it cannot be read either, or is not installed."""
    message = f"{file} cannot be read as an image ({type(error).__name__}: {error})"
    try:
        with file.open("rb") as stream:
            header = stream.read(8)
    except OSError:
        header = b""
    is_tiff = header.startswith(_TIFF_SIGNATURES)
    if not header.startswith(_VIPS_SIGNATURES):
        raise UsageError(message, hint="save it as PNG or JPEG" if header else "") from None
    if vips_library() is None:
        raise UsageError(message, hint=_INSTALL_EXPORT if is_tiff else "") from None
    try:
        yield VipsFile(file)
    except vips_library().Error as vips_error:
        reason = str(vips_error).strip().splitlines()[-1:] if is_tiff else []
        raise UsageError("; ".join([message, *reason]), hint="save it as PNG or JPEG") from None


def _read_with_vips(file: Path, opened: VipsFile) -> ImageFile:
    directories = _tiff_directories(file)
    image, notes = opened.read(directories[0] if directories else {})
    return ImageFile(image, opened.size, tuple(note for note in (_pages_note(directories), *notes) if note))


def _tiff_directories(file: Path) -> list[Mapping[int, Any]]:
    """Return the tags of the first two pages of a TIFF, which Pillow reads also where it cannot decode the pixels."""
    directories: list[Mapping[int, Any]] = []
    try:
        with file.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = stream.read(8)
            if header.startswith(_TIFF_SIGNATURES):
                header += stream.read(8) if b"+" in header[2:4] else b""
                directory = TiffImagePlugin.ImageFileDirectory_v2(header)
                while directory.next and len(directories) < 2:
                    stream.seek(directory.next)
                    directory.load(stream)
                    directories.append(dict(directory))
    except Exception:  # damaged; the decoder reports it
        pass
    return directories
