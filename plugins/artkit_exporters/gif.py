"""``.gif``: a time lapse that every browser and mail program shows."""

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
    """A time lapse of the painting in 256 colours, chosen for the finished picture; it repeats forever."""

    name = "gif"
    suffixes = (".gif",)
    codec = "gif"
    pixel_format = "pal8"

    class Config(Timelapse.Config):
        """Settings."""

        fps: Annotated[int, Field(ge=1, le=50)] = 10
        """Frames per second."""
        longest: Annotated[int, Field(ge=16, le=2048)] = 480
        """Maximum length of the longer side, px."""

    def write(self, painting: RenderedPainting, file: Path) -> None:
        # All frames use the palette of the finished picture, so it is rendered first.
        painting = painting.downscaled(self.config.longest)
        self._palette = Image.fromarray(painting.pixels()).quantize(256)
        super().write(painting, file)

    def to_video_frame(self, image: Image.Image) -> Any:
        indices = np.asarray(image.quantize(palette=self._palette, dither=Image.Dither.NONE))
        # libav expects 256 entries of alpha, red, green and blue.
        table = np.zeros((256, 4), np.uint8)
        colours = np.reshape(self._palette.getpalette() or (), (-1, 3))
        table[:, 0] = 255
        table[: len(colours), 1:] = colours
        return self.library.VideoFrame.from_ndarray((indices, table), format="pal8")
