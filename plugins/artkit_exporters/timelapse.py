"""The painting being painted: what `mp4`, `webm`, `gif` and `webp` have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from PIL import Image
from pydantic import Field

from artkit import Config as BaseConfig
from artkit import Exporter, RenderedPainting
from artkit.imaging.pixels import tensor_to_pixels


class Timelapse(Exporter):
    """A film from the bare ground to the picture, stroke by stroke, by the painting's own brush."""

    class Config(BaseConfig):
        """Settings."""

        seconds: Annotated[float, Field(gt=0, le=3600)] = 12.0
        """How long it takes to paint."""
        hold: Annotated[float, Field(ge=0, le=3600)] = 3.0
        """Seconds that the finished picture stays."""
        fps: Annotated[int, Field(ge=1, le=60)] = 25
        """Frames a second."""
        longest: Annotated[int, Field(ge=16, le=8192)] = 1280
        """Px of the longer side, if the painting has so many at its scale."""

    config: Config

    def frames(self, painting: RenderedPainting) -> Iterator[Image.Image]:
        """The frames, in RGB, with sides of even length."""
        told = self.config
        painting = painting.downscaled(told.longest)
        width, height = painting.size
        shrink = min(1.0, told.longest / max(width, height))
        size = (max(2, round(width * shrink / 2) * 2), max(2, round(height * shrink / 2) * 2))
        picture = torch.tensor(painting.log.background).view(3, 1, 1).repeat(1, height, width)
        count, strokes = max(1, round(told.seconds * told.fps)), len(painting.log.actions)
        for frame in range(count):
            yield _frame(tensor_to_pixels(picture), size)
            self._paint(painting, picture, strokes * frame // count, strokes * (frame + 1) // count)
        last = _frame(painting.pixels(), size)
        for _ in range(max(1, round(told.hold * told.fps))):
            yield last

    @staticmethod
    def _paint(painting: RenderedPainting, picture: torch.Tensor, first: int, last: int) -> None:
        """Paint the strokes from `first` to before `last` on a picture, in place."""
        _, height, width = picture.shape
        left, top = (painting.region.x, painting.region.y) if painting.region else (0, 0)
        for phase in (p for whole in painting.log.phases for p in whole.subphases(first, last)):
            room = 2 * phase.side  # no brush that artkit paints with sprays further than this
            across, down = ((count - 1) * phase.pitch + phase.side for count in (phase.columns, phase.rows))
            x0, x1 = (
                min(max(round((x - left) * painting.scale), 0), width)
                for x in (phase.x - room, phase.x + across + room)
            )
            y0, y1 = (
                min(max(round((y - top) * painting.scale), 0), height) for y in (phase.y - room, phase.y + down + room)
            )
            if x1 > x0 and y1 > y0:
                paint = painting.render_phases([phase], x0, y0, x1 - x0, y1 - y0)
                below = picture[:, y0:y1, x0:x1]
                below.mul_(1 - paint[3]).add_(paint[:3])


def _frame(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], size: tuple[int, int]) -> Image.Image:
    image = Image.fromarray(pixels)
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
