"""``.gif``: a time lapse that every page and mail shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from PIL import Image
from pydantic import Field

from artkit.painting import Painting
from artkit_exporters.timelapse import Timelapse


class Gif(Timelapse):
    """The painting being painted, in the 256 colours that suit it best; it starts again and again."""

    name = "gif"
    suffixes = (".gif",)

    class Config(Timelapse.Config):
        """Settings."""

        fps: Annotated[int, Field(ge=1, le=50)] = 10
        """Frames a second."""
        longest: Annotated[int, Field(ge=16, le=2048)] = 480
        """Px of the longer side, if the painting has so many at its scale."""

    def write(self, painting: Painting, file: Path) -> None:
        # Every frame is kept until the end, as the format has it, so this one is for short and small films.
        frames = list(self.frames(painting))
        palette = frames[-1].quantize(256)
        first, *others = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
        duration = round(100 / self.config.fps) * 10  # ms, of which the format knows tens
        first.save(file, "GIF", save_all=True, append_images=others, duration=duration, loop=0, optimize=False)
