"""``.newcomponent``: a binary PPM."""

from __future__ import annotations

from pathlib import Path

from artkit import Exporter, RenderedPainting


class NewComponent(Exporter):
    """The picture as a binary PPM, 8 bits a channel."""

    name = "newcomponent"
    suffixes = (".newcomponent",)

    def write(self, painting: RenderedPainting, file: Path) -> None:
        width, height = painting.size
        with file.open("wb") as stream:
            stream.write(f"P6 {width} {height} 255\n".encode())
            painting.pixels().tofile(stream)
