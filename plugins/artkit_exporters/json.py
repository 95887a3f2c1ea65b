"""``.json``: the stroke log, with all parameters of every stroke."""

from __future__ import annotations

from pathlib import Path

from artkit import Exporter, RenderedPainting


class Json(Exporter):
    """The strokes in painting order, in the format of `strokes.json`. Scale and region are ignored."""

    name = "json"
    suffixes = (".json",)

    def write(self, painting: RenderedPainting, file: Path) -> None:
        with file.open("w", encoding="utf-8") as stream:
            stream.writelines(painting.log.lines())
