"""Images of libvips."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from artkit.imaging.pixels import Pixels
from artkit.imaging.png import srgb_profile


@contextmanager
def vips_image(vips: Any, pixels: Pixels) -> Iterator[Any]:
    """Wrap pixels (h, w, 3) of 8 or 16 bits, in memory or memory-mapped, as a libvips image with the sRGB profile.

    vips: the module pyvips. Raises OSError if libvips fails in the block.
    """
    height, width, channels = pixels.shape
    is_16_bit = pixels.dtype.itemsize == 2
    image = vips.Image.new_from_memory(pixels, width, height, channels, "ushort" if is_16_bit else "uchar")
    image = image.copy(interpretation="rgb16" if is_16_bit else "srgb")
    image.set_type(vips.GValue.blob_type, "icc-profile-data", srgb_profile())
    try:
        yield image
    except vips.Error as error:
        disk_full = re.search(r"no space left|disk full|file too large", str(error), re.IGNORECASE)
        raise OSError(errno.ENOSPC if disk_full else errno.EIO, " ".join(str(error).split())) from None
