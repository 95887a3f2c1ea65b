"""``.pdf``: a page of the size of the print, for print shops and documents."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image
from pydantic import Field

from artkit import Config as BaseConfig
from artkit import RenderedPainting, UsageError
from artkit.imaging.png import srgb_profile
from artkit.memory import check_memory
from artkit_exporters.library_exporter import LibraryExporter
from artkit_exporters.svg import Svg

_CM_PER_INCH = 2.54
_MAX_SIDE_CM = 508.0
"""Side of the largest page that PDF allows: 14,400 pt."""

_BYTES_PER_PIXEL = 12
"""Memory of the picture, of the library's copy of it, and of the compressed bytes."""

_DATE = datetime(2000, 1, 1, tzinfo=UTC)
"""Date of creation in the file: the same painting gives the same file."""


class Pdf(LibraryExporter):
    """A page with the picture, lossless and in sRGB. Its size in cm follows from the px and `dpi`."""

    name = "pdf"
    suffixes = (".pdf",)
    library_name = "fpdf"

    class Config(BaseConfig):
        """Settings."""

        dpi: Annotated[float, Field(gt=0, le=1e5)] = 300.0
        """Print resolution, px per inch."""
        paths: bool = False
        """Draw the strokes as paths, as in .svg, instead of the picture: sharp at any size, without texture."""

    config: Config

    def __init__(self, config: BaseConfig) -> None:
        super().__init__(config)
        self._svg = Svg(Svg.Config()) if self.config.paths else None

    def write(self, painting: RenderedPainting, file: Path) -> None:
        width, height = (length / self.config.dpi * _CM_PER_INCH for length in painting.size)
        if max(width, height) > _MAX_SIDE_CM:
            raise UsageError(
                f"the page would have {width:.0f} x {height:.0f} cm; a PDF allows at most {_MAX_SIDE_CM:.0f} cm a side",
                hint="set a higher --dpi",
            )
        document = self.library.FPDF(unit="cm", format=(width, height))
        document.set_margin(0)
        document.set_auto_page_break(False)
        document.creation_date = _DATE
        document.set_creator("artkit")
        document.set_subject(json.dumps(painting.metadata))
        document.add_page()
        if self._svg:
            drawing = file.with_suffix(".svg")
            self._svg.write(replace(painting, metadata={}), drawing)
            document.image(drawing, x=0, y=0, w=width, h=height)
            drawing.unlink()
        else:
            document.image(_picture(painting), x=0, y=0, w=width, h=height)
        document.output(str(file))


def _picture(painting: RenderedPainting) -> Image.Image:
    width, height = painting.size
    check_memory(
        width * height * _BYTES_PER_PIXEL,
        f"a .pdf of {width} x {height} px would take",
        hint="choose .tif, which is written in tiles",
    )
    image = Image.fromarray(np.ascontiguousarray(painting.pixels()))
    image.info["icc_profile"] = srgb_profile()
    return image
