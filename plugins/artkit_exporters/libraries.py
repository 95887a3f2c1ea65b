"""The libraries that encode: those of the extra ``export``, which artkit does without as long as nobody asks."""

from __future__ import annotations

import errno
import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from artkit import Config, Exporter, UsageError
from artkit.imaging.pixels import Pixels
from artkit.imaging.png import srgb_profile


class Encoded(Exporter):
    """An exporter whose format a library encodes, which is looked for before anything is painted.

    encoder: the library's module; `needs` is its name. Raises UsageError with what to install if it is not there.
    """

    needs: ClassVar[str]

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        try:
            self.encoder: Any = importlib.import_module(self.needs)
        except (ImportError, OSError) as error:
            raise UsageError(
                f"{self.suffixes[0]} files need {self.needs}, which is not here ({error})",
                hint="pip install 'neural-artkit[export]'",
            ) from None


@contextmanager
def vips_image(vips: Any, pixels: Pixels) -> Iterator[Any]:
    """Pixels (h, w, 3) of 8 or 16 bits, in memory or on the disk, as an image of libvips with the profile of sRGB.

    vips: the module pyvips. Raises OSError where libvips cannot write.
    """
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
