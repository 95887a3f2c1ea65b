"""``.tif``: a tiled, pyramidal BigTIFF, for printing and for pictures of any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from artkit import Config as BaseConfig
from artkit import RenderedPainting
from artkit_exporters.library_exporter import LibraryExporter
from artkit_exporters.vips import vips_image


class Tif(LibraryExporter):
    """A tiled BigTIFF with an image pyramid, losslessly compressed, in sRGB."""

    name = "tif"
    suffixes = (".tif", ".tiff")
    library_name = "pyvips"

    class Config(BaseConfig):
        """Settings."""

        bits: Literal[8, 16] = 8
        """Bits per channel."""
        dpi: Annotated[float, Field(gt=0, le=1e5)] = 300.0
        """Print resolution, px per inch."""

    config: Config

    def write(self, painting: RenderedPainting, file: Path) -> None:
        with vips_image(self.library, painting.pixels(self.config.bits)) as image:
            image.set_type(self.library.GValue.gstr_type, "image-description", json.dumps(painting.metadata))
            image.tiffsave(
                str(file),
                tile=True,
                tile_width=256,
                tile_height=256,
                pyramid=True,
                bigtiff=True,
                compression="deflate",
                predictor="horizontal",
                xres=self.config.dpi / 25.4,
                yres=self.config.dpi / 25.4,
            )
