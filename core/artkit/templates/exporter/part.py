"""``.newpart``: the pixels and nothing else (a binary PPM)."""

from __future__ import annotations

from pathlib import Path

from artkit.exporter import Exporter
from artkit.painting import Painting


class NewPart(Exporter):
    """The picture as a binary PPM, 8 bits a channel."""

    name = "newpart"
    suffixes = (".newpart",)

    def write(self, painting: Painting, file: Path) -> None:
        width, height = painting.size
        with file.open("wb") as stream:
            stream.write(f"P6 {width} {height} 255\n".encode())
            painting.pixels().tofile(stream)
