"""Base class of time lapses: `mp4`, `webm`, `gif` and `webp`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

from PIL import Image
from pydantic import Field, model_validator

from artkit import Config as BaseConfig
from artkit import Exporter, RenderedPainting
from artkit.imaging.pixels import Pixels, tensor_to_pixels

_DEFAULT_HOLD_SHARE = 0.2  # of the film


class Timelapse(Exporter):
    """A film from the bare background to the finished picture, stroke by stroke."""

    class Config(BaseConfig):
        """Settings."""

        seconds: Annotated[float, Field(gt=0, le=3600)] = 15.0
        """Duration of the whole film, s."""
        hold: Annotated[float, Field(ge=0, le=3600)] | None = None
        """How long of it the finished picture is shown at the end, s. The default is a fifth of the film."""
        fps: Annotated[int, Field(ge=1, le=60)] = 25
        """Frames per second."""
        longest: Annotated[int, Field(ge=16, le=8192)] = 1280
        """Maximum length of the longer side, px."""

        @model_validator(mode="after")
        def _check_hold(self) -> Self:
            if self.hold is not None and self.hold >= self.seconds:
                raise ValueError(f"the film has {self.seconds:g} s, so hold must be less (it is {self.hold:g})")
            return self

    config: Config

    def frames(self, painting: RenderedPainting) -> Iterator[Image.Image]:
        """Yield the frames, in RGB, with sides of even length."""
        config = self.config
        painting = painting.downscaled(config.longest)
        width, height = painting.size
        shrink = min(1.0, config.longest / max(width, height))
        size = (max(2, round(width * shrink / 2) * 2), max(2, round(height * shrink / 2) * 2))
        picture = painting.background(0, 0, width, height)
        frame_count, stroke_count = max(2, round(config.seconds * config.fps)), len(painting.log.actions)
        hold = config.seconds * _DEFAULT_HOLD_SHARE if config.hold is None else config.hold
        held_frames = min(max(1, round(hold * config.fps)), frame_count - 1)
        painted_frames = frame_count - held_frames
        for frame in range(painted_frames):
            yield _resize(tensor_to_pixels(picture), size)
            first, end = (stroke_count * number // painted_frames for number in (frame, frame + 1))
            painting.paint_strokes(picture, first, end)
        last_frame = _resize(painting.pixels(), size)
        for _ in range(held_frames):
            yield last_frame


def _resize(pixels: Pixels, size: tuple[int, int]) -> Image.Image:
    image = Image.fromarray(pixels)
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
