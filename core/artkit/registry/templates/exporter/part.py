"""``.newpart``: the pixels and nothing else (a binary PPM)."""

from __future__ import annotations

from artkit import Exporter, RenderedPainting

from pathlib import Path


class NewPart(Exporter):
    """The picture as a binary PPM, 8 bits a channel."""

    name = "newpart"
    suffixes = (".newpart",)

    def write(self, painting: RenderedPainting, file: Path) -> None:
        width, height = painting.size
        with file.open("wb") as stream:
            stream.write(f"P6 {width} {height} 255\n".encode())
            painting.pixels().tofile(stream)
