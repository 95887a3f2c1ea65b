"""``.jpg``: the picture, to send and to order prints from."""

from __future__ import annotations

from typing import Any

from artkit_exporters.pillow_exporter import PillowExporter


class Jpg(PillowExporter):
    """A JPEG in full colour resolution (4:4:4)."""

    name = "jpg"
    suffixes = (".jpg", ".jpeg")
    format = "JPEG"
    max_side = 65_500

    def encoder_options(self) -> dict[str, Any]:
        return {"subsampling": 0, "optimize": True, "progressive": True}
