"""Base class of exporters of pictures that Pillow encodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from PIL import Image
from pydantic import Field

from artkit import Config as BaseConfig
from artkit import Exporter, RenderedPainting, UsageError
from artkit.imaging.png import srgb_profile
from artkit.memory import check_memory

_BYTES_PER_PIXEL = 12
"""Memory of the picture, of Pillow's copy of it, and of the encoder."""

_EXIF_DESCRIPTION, _EXIF_X_RESOLUTION, _EXIF_Y_RESOLUTION = 0x010E, 0x011A, 0x011B
_EXIF_RESOLUTION_UNIT, _EXIF_SOFTWARE, _EXIF_INCH = 0x0128, 0x0131, 2
_MAX_EXIF_TEXT_BYTES = 60_000  # a JPEG has room for 64 KB of EXIF


class PillowExporter(Exporter):
    """A picture with 8 bits per channel, the sRGB profile, its resolution and its metadata.

    format: Pillow's name of the format. max_side: the most px of a side that the format allows.
    """

    format: ClassVar[str]
    max_side: ClassVar[int]

    class Config(BaseConfig):
        """Settings."""

        quality: Annotated[int, Field(ge=1, le=100)] = 95
        """Quality from 1 to 100: higher means larger files and fewer artefacts."""
        dpi: Annotated[float, Field(gt=0, le=1e5)] | None = None
        """Print resolution, px per inch."""

    config: Config

    def encoder_options(self) -> dict[str, Any]:
        """Return the options of Pillow's encoder."""
        return {}

    def write(self, painting: RenderedPainting, file: Path) -> None:
        width, height = painting.size
        if max(width, height) > self.max_side:
            raise UsageError(
                f"the picture has {width} x {height} px; {self.suffixes[0]} allows at most {self.max_side} a side",
                hint="choose .tif, .png or .dzi, or a smaller size",
            )
        check_memory(
            width * height * _BYTES_PER_PIXEL,
            f"a {self.suffixes[0]} of {width} x {height} px would take",
            hint="choose .tif, .png or .dzi, which are written in strips",
        )
        image = Image.fromarray(np.ascontiguousarray(painting.pixels()))
        resolution = {"dpi": (self.config.dpi, self.config.dpi)} if self.config.dpi else {}
        image.save(
            file,
            self.format,
            quality=self.config.quality,
            icc_profile=srgb_profile(),
            exif=self._exif(painting.metadata),
            **resolution,
            **self.encoder_options(),
        )

    def _exif(self, metadata: dict[str, str]) -> Image.Exif:
        """Return the metadata as EXIF: the texts as JSON in the description, and the resolution."""
        exif = Image.Exif()
        exif[_EXIF_SOFTWARE] = metadata.get("Software", "artkit")
        description = json.dumps(metadata)
        if len(description) <= _MAX_EXIF_TEXT_BYTES:
            exif[_EXIF_DESCRIPTION] = description
        if self.config.dpi:
            exif[_EXIF_X_RESOLUTION] = exif[_EXIF_Y_RESOLUTION] = self.config.dpi
            exif[_EXIF_RESOLUTION_UNIT] = _EXIF_INCH
        return exif
