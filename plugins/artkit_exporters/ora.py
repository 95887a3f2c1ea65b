"""``.ora``: OpenRaster, which MyPaint, Krita and GIMP open, with the paint in layers."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree

import numpy as np
import torch
from PIL import Image
from pydantic import Field

from artkit import Config as BaseConfig
from artkit import Exporter, RenderedPainting, memmap
from artkit.imaging.pixels import Pixels, tensor_to_pixels
from artkit.imaging.png import write_png

_THUMBNAIL = 256  # px, the most that the specification allows


class Ora(Exporter):
    """OpenRaster: the ground, and a layer for each pass in which the picture was gone over, the first one lowest."""

    name = "ora"
    suffixes = (".ora",)

    class Config(BaseConfig):
        """Settings."""

        layers: Annotated[int, Field(ge=1, le=100)] = 12
        """The most layers of paint; of more passes, neighbouring ones share a layer."""

    config: Config

    def write(self, painting: RenderedPainting, file: Path) -> None:
        width, height = painting.size
        root = ElementTree.Element("image", {"version": "0.0.3", "w": str(width), "h": str(height)})
        stack = ElementTree.SubElement(root, "stack")
        with zipfile.ZipFile(file, "w") as zipped:
            zipped.writestr(_entry("mimetype"), "image/openraster")  # first and not packed, as the specification asks
            ground = np.broadcast_to(
                tensor_to_pixels(torch.tensor(painting.log.background).view(3, 1, 1)), (height, width, 3)
            )
            _add_layer(zipped, stack, "ground", ground)
            passes = painting.passes(self.config.layers)
            for number, phases in enumerate(passes, 1):
                layer = memmap.zeros((height, width, 4), np.uint8, painting.folder)
                for x, y, w, h in painting.windows():
                    *colour, coverage = painting.render_phases(phases, x, y, w, h)
                    straight = torch.stack(colour) / coverage.clamp(min=1e-6)
                    layer[y : y + h, x : x + w] = tensor_to_pixels(torch.cat([straight, coverage[None]]))
                    memmap.release()
                _add_layer(zipped, stack, f"pass {number} of {len(passes)}", layer)
            whole = painting.pixels()
            _add(zipped, "mergedimage.png", whole)
            step = max(1, max(width, height) // (4 * _THUMBNAIL))
            small = Image.fromarray(np.ascontiguousarray(whole[::step, ::step]))
            small.thumbnail((_THUMBNAIL, _THUMBNAIL))
            _add(zipped, "Thumbnails/thumbnail.png", np.asarray(small))
            zipped.writestr(_entry("stack.xml"), ElementTree.tostring(root, "UTF-8", xml_declaration=True))


def _add_layer(zipped: zipfile.ZipFile, stack: ElementTree.Element, name: str, pixels: Pixels) -> None:
    source = f"data/{name.replace(' ', '-')}.png"
    _add(zipped, source, pixels)
    layer = {"name": name, "src": source, "x": "0", "y": "0", "opacity": "1.0", "visibility": "visible"}
    stack.insert(0, ElementTree.Element("layer", layer | {"composite-op": "svg:src-over"}))


def _add(zipped: zipfile.ZipFile, name: str, pixels: Pixels) -> None:
    with zipped.open(_entry(name), "w", force_zip64=True) as stream:
        write_png(pixels, stream)


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name)  # of 1980, so that the same file comes out again
