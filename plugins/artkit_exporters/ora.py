"""``.ora``: OpenRaster, a layered format that MyPaint, Krita and GIMP open."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree

import numpy as np
import torch
from PIL import Image
from pydantic import Field

from artkit import Config as BaseConfig
from artkit import Exporter, Phase, RenderedPainting, memmap
from artkit.imaging.pixels import Pixels, tensor_to_pixels
from artkit.imaging.png import write_png

_THUMBNAIL_SIDE = 256
"""Side of the thumbnail in px, the maximum that the specification allows."""


class Ora(Exporter):
    """OpenRaster: the background, and a layer for each pass over the picture, the first one lowest."""

    name = "ora"
    suffixes = (".ora",)

    class Config(BaseConfig):
        """Settings."""

        layers: Annotated[int, Field(ge=1, le=100)] = 12
        """Maximum number of layers of paint; if there are more passes, neighbouring passes share a layer."""
        dpi: Annotated[float, Field(gt=0, le=1e5)] | None = None
        """Print resolution, px per inch; the file holds it as a whole number."""

    config: Config

    def write(self, painting: RenderedPainting, file: Path) -> None:
        width, height = painting.size
        dpi = str(max(1, round(self.config.dpi or 0)))
        resolution = {"xres": dpi, "yres": dpi} if self.config.dpi else {}
        root = ElementTree.Element("image", {"version": "0.0.3", "w": str(width), "h": str(height)} | resolution)
        stack = ElementTree.SubElement(root, "stack")
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(_entry("mimetype"), "image/openraster")  # the specification requires: first, uncompressed
            _add_layer(archive, stack, "ground", _background(painting))
            passes = painting.passes(self.config.layers)
            for number, phases in enumerate(passes, 1):
                _add_layer(archive, stack, f"pass {number} of {len(passes)}", _render_layer(painting, phases))
            merged = painting.pixels()
            _add_png(archive, "mergedimage.png", merged)
            _add_png(archive, "Thumbnails/thumbnail.png", _thumbnail(merged))
            archive.writestr(_entry("stack.xml"), ElementTree.tostring(root, "UTF-8", xml_declaration=True))


def _background(painting: RenderedPainting) -> Pixels:
    """Return the background: (h, w, 3)."""
    width, height = painting.size
    if painting.log.background_image is None:
        return np.broadcast_to(tensor_to_pixels(painting.background(0, 0, 1, 1)), (height, width, 3))
    pixels = memmap.zeros((height, width, 3), np.uint8, painting.folder)
    for x, y, w, h in painting.windows():
        pixels[y : y + h, x : x + w] = tensor_to_pixels(painting.background(x, y, w, h))
        memmap.release()
    return pixels


def _render_layer(painting: RenderedPainting, phases: Sequence[Phase]) -> Pixels:
    """Render the strokes of phases alone: RGBA pixels (h, w, 4) with straight alpha."""
    width, height = painting.size
    layer = memmap.zeros((height, width, 4), np.uint8, painting.folder)
    for x, y, w, h in painting.windows():
        *premultiplied, alpha = painting.render_phases(phases, x, y, w, h)
        straight = torch.stack(premultiplied) / alpha.clamp(min=1e-6)
        layer[y : y + h, x : x + w] = tensor_to_pixels(torch.cat([straight, alpha[None]]))
        memmap.release()
    return layer


def _thumbnail(pixels: Pixels) -> Pixels:
    step = max(1, max(pixels.shape[:2]) // (4 * _THUMBNAIL_SIDE))
    image = Image.fromarray(np.ascontiguousarray(pixels[::step, ::step]))
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    return np.asarray(image)


def _add_layer(archive: zipfile.ZipFile, stack: ElementTree.Element, name: str, pixels: Pixels) -> None:
    source = f"data/{name.replace(' ', '-')}.png"
    _add_png(archive, source, pixels)
    layer = {"name": name, "src": source, "x": "0", "y": "0", "opacity": "1.0", "visibility": "visible"}
    stack.insert(0, ElementTree.Element("layer", layer | {"composite-op": "svg:src-over"}))


def _add_png(archive: zipfile.ZipFile, name: str, pixels: Pixels) -> None:
    with archive.open(_entry(name), "w", force_zip64=True) as stream:
        write_png(pixels, stream)


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name)  # the default date, 1980: the same painting gives the same file
