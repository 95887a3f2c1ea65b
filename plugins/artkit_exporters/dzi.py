"""``.dzi``: DeepZoom, the picture as tiles at every size, for the web."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Literal

from artkit import Config as BaseConfig
from artkit import RenderedPainting
from artkit_exporters.libraries import Encoded, vips_image

TILE = 512


class Dzi(Encoded):
    """DeepZoom tiles, in a folder NAME_files, and a page NAME.html that shows them without a server or a network."""

    name = "dzi"
    suffixes = (".dzi",)
    needs = "pyvips"
    beside = ("_files", ".html")

    class Config(BaseConfig):
        """Settings."""

        tiles: Literal["jpg", "png", "webp"] = "jpg"
        """Format of the tiles; only `png` keeps every pixel as it is."""

    config: Config

    def write(self, painting: RenderedPainting, file: Path) -> None:
        kind = self.config.tiles
        suffix = f".{kind}" + ("" if kind == "png" else "[Q=92]")
        with vips_image(self.encoder, painting.pixels()) as image:
            image.dzsave(str(file.with_suffix("")), tile_size=TILE, overlap=1, suffix=suffix, keep="none")
        (file.with_name(f"{file.stem}_files") / "vips-properties.xml").unlink(missing_ok=True)  # it tells the time
        width, height = painting.size
        told = {"folder": f"{file.stem}_files", "kind": kind, "width": width, "height": height, "tile": TILE}
        page = (Path(__file__).parent / "viewer.html").read_text(encoding="utf-8")
        page = page.replace("NAME", html.escape(file.stem)).replace("PICTURE", json.dumps(told).replace("<", "\\u003c"))
        file.with_suffix(".html").write_text(page, encoding="utf-8")
