"""``.png``: the picture, 8 bits a channel."""

from __future__ import annotations

from pathlib import Path

from artkit import images
from artkit.exporter import Exporter
from artkit.painting import Painting


class Png(Exporter):
    """An 8-bit PNG with the painting's texts inside."""

    name = "png"
    suffixes = (".png",)

    def write(self, painting: Painting, file: Path) -> None:
        images.save_png(painting.whole(), file, painting.texts)
