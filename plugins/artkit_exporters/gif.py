"""``.gif``: a time lapse that every page and mail shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import Field

from artkit import RenderedPainting
from artkit_exporters.timelapse import Timelapse
from artkit_exporters.video import Video


class Gif(Video):
    """The painting being painted, in the 256 colours that suit it best; it starts again and again."""

    name = "gif"
    suffixes = (".gif",)
    codec = "gif"
    pixels = "pal8"

    class Config(Timelapse.Config):
        """Settings."""

        fps: Annotated[int, Field(ge=1, le=50)] = 10
        """Frames a second."""
        longest: Annotated[int, Field(ge=16, le=2048)] = 480
        """Px of the longer side, if the painting has so many at its scale."""

    def write(self, painting: RenderedPainting, file: Path) -> None:
        # All frames have the colours of the finished picture, which is painted first.
        painting = painting.downscaled(self.config.longest)
        self._colours = Image.fromarray(painting.pixels()).quantize(256)
        super().write(painting, file)

    def frame(self, image: Image.Image) -> Any:
        indices = np.asarray(image.quantize(palette=self._colours, dither=Image.Dither.NONE))
        # libav wants 256 entries of opacity, red, green and blue.
        table = np.zeros((256, 4), np.uint8)
        colours = np.reshape(self._colours.getpalette() or (), (-1, 3))
        table[:, 0] = 255
        table[: len(colours), 1:] = colours
        return self.encoder.VideoFrame.from_ndarray((indices, table), format="pal8")
