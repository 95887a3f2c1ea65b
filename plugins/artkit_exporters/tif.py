"""``.tif``: a tiled, pyramidal BigTIFF, for printers and for pictures of any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from artkit import Config as BaseConfig
from artkit import RenderedPainting
from artkit_exporters.libraries import Encoded, vips_image


class Tif(Encoded):
    """A BigTIFF of tiles with smaller and smaller copies of the picture behind it, losslessly packed, in sRGB."""

    name = "tif"
    suffixes = (".tif", ".tiff")
    needs = "pyvips"

    class Config(BaseConfig):
        """Settings."""

        bits: Literal[8, 16] = 8
        """Bits a channel."""
        dpi: Annotated[float, Field(gt=0, le=1e5)] = 300.0
        """Px an inch at which it is to be printed."""

    config: Config

    def write(self, painting: RenderedPainting, file: Path) -> None:
        with vips_image(self.encoder, painting.pixels(self.config.bits)) as image:
            image.set_type(self.encoder.GValue.gstr_type, "image-description", json.dumps(painting.metadata))
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
