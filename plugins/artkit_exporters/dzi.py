"""``.dzi``: Deep Zoom, an image pyramid of tiles for the web."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Literal

from artkit import Config as BaseConfig
from artkit import RenderedPainting
from artkit_exporters.library_exporter import LibraryExporter
from artkit_exporters.vips import vips_image

TILE_SIZE = 512


class Dzi(LibraryExporter):
    """Deep Zoom tiles in a folder NAME_files, and a page NAME.html that shows them without a server or a network."""

    name = "dzi"
    suffixes = (".dzi",)
    library_name = "pyvips"
    companions = ("_files", ".html")

    class Config(BaseConfig):
        """Settings."""

        tiles: Literal["jpg", "png", "webp"] = "jpg"
        """Format of the tiles; only `png` is lossless."""

    config: Config

    def write(self, painting: RenderedPainting, file: Path) -> None:
        tile_format = self.config.tiles
        suffix = f".{tile_format}" + ("" if tile_format == "png" else "[Q=92]")
        with vips_image(self.library, painting.pixels()) as image:
            image.dzsave(str(file.with_suffix("")), tile_size=TILE_SIZE, overlap=1, suffix=suffix, keep="icc")
        # This file contains the time, which would make the export differ from run to run.
        (file.with_name(f"{file.stem}_files") / "vips-properties.xml").unlink(missing_ok=True)
        width, height = painting.size
        picture = {
            "folder": f"{file.stem}_files", "kind": tile_format, "width": width, "height": height, "tile": TILE_SIZE
        }  # fmt: skip
        page = (Path(__file__).parent / "viewer.html").read_text(encoding="utf-8")
        page = page.replace("NAME", html.escape(file.stem))
        page = page.replace("PICTURE", json.dumps(picture).replace("<", "\\u003c"))
        file.with_suffix(".html").write_text(page, encoding="utf-8")
