"""``.avif``: the picture, in a fraction of the bytes of a JPEG."""

from __future__ import annotations

from typing import Annotated, Any

from PIL import features
from pydantic import Field

from artkit import Config as BaseConfig
from artkit import UsageError
from artkit_exporters.pillow_exporter import PillowExporter


class Avif(PillowExporter):
    """An AVIF in full colour resolution (4:4:4), which current browsers show."""

    name = "avif"
    suffixes = (".avif",)
    format = "AVIF"
    max_side = 16_384

    class Config(PillowExporter.Config):
        """Settings."""

        quality: Annotated[int, Field(ge=1, le=100)] = 85
        """Quality from 1 to 100: higher means larger files and fewer artefacts."""

    config: Config

    def __init__(self, config: BaseConfig) -> None:
        super().__init__(config)
        if not features.check("avif"):
            raise UsageError(
                ".avif files need a Pillow with AVIF", hint="pip install 'pillow>=11.3', or choose .jpg or .png"
            )

    def encoder_options(self) -> dict[str, Any]:
        # One thread: the encoder's output depends on their number.
        return {"subsampling": "4:4:4", "speed": 6, "max_threads": 1}
