"""The libraries that encode: those of the extra ``export``, which artkit does without as long as nobody asks."""

from __future__ import annotations

import errno
import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from artkit.errors import UsageError
from artkit.images import Pixels, srgb_profile


def library(name: str, suffix: str) -> Any:
    """A library by its module's name. Raises UsageError with what to install if it is not there."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise UsageError(
            f"{suffix} files need {name}, which is not here ({error})",
            remedy="pip install 'neural-artkit[export]'",
        ) from None


@contextmanager
def vips_image(pixels: Pixels, suffix: str) -> Iterator[Any]:
    """Pixels (h, w, 3) of 8 or 16 bits, in memory or on the disk, as an image of libvips with the profile of sRGB.

    Raises OSError where libvips cannot write.
    """
    vips = library("pyvips", suffix)
    height, width, channels = pixels.shape
    deep = pixels.dtype.itemsize == 2
    image = vips.Image.new_from_memory(pixels, width, height, channels, "ushort" if deep else "uchar")
    image = image.copy(interpretation="rgb16" if deep else "srgb")
    image.set_type(vips.GValue.blob_type, "icc-profile-data", srgb_profile())
    try:
        yield image
    except vips.Error as error:
        full = re.search(r"no space left|disk full|file too large", str(error), re.IGNORECASE)
        raise OSError(errno.ENOSPC if full else errno.EIO, " ".join(str(error).split())) from None
