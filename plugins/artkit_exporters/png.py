"""``.png``: the picture, with 8 or 16 bits per channel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from artkit import Config as BaseConfig
from artkit import Exporter, RenderedPainting
from artkit.imaging.png import write_png


class Png(Exporter):
    """A PNG with the sRGB profile and the painting's metadata as text chunks, written strip by strip."""

    name = "png"
    suffixes = (".png",)

    class Config(BaseConfig):
        """Settings."""

        bits: Literal[8, 16] = 8
        """Bits per channel."""
        dpi: Annotated[float, Field(gt=0, le=1e5)] | None = None
        """Print resolution, px per inch."""

    config: Config

    def write(self, painting: RenderedPainting, file: Path) -> None:
        with file.open("wb") as stream:
            write_png(painting.pixels(self.config.bits), stream, painting.metadata, self.config.dpi)
