"""``.json``: the stroke log, every number of every stroke by its name."""

from __future__ import annotations

from pathlib import Path

from artkit import Exporter, RenderedPainting


class Json(Exporter):
    """The strokes in the order of painting, as `strokes.json` of a small run has them; scale and part do not matter."""

    name = "json"
    suffixes = (".json",)

    def write(self, painting: RenderedPainting, file: Path) -> None:
        with file.open("w", encoding="utf-8") as stream:
            stream.writelines(painting.log.lines())
