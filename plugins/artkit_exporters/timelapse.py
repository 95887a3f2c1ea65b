"""Base class of `mp4`, `webm`, `gif` and `webp`: painted films, and time lapses of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

from PIL import Image
from pydantic import Field, model_validator

from artkit import Config as BaseConfig
from artkit import Exporter, RenderedPainting, UsageError
from artkit.imaging.pixels import Pixels, tensor_to_pixels

_DEFAULT_HOLD_SHARE = 0.2  # of the time lapse


class Timelapse(Exporter):
    """A painted film; of a picture, a time lapse from the bare background to the finished picture, stroke by stroke."""

    class Config(BaseConfig):
        """Settings."""

        seconds: Annotated[float, Field(gt=0, le=3600)] = 15.0
        """Duration of a time lapse, s. A painted film has the duration of its clip."""
        hold: Annotated[float, Field(ge=0, le=3600)] | None = None
        """How long of it the finished picture is shown at the end, s. The default is a fifth of the duration."""
        fps: Annotated[int, Field(ge=1, le=60)] = 25
        """Frames per second of a time lapse. A painted film has those that were painted."""
        longest: Annotated[int, Field(ge=16, le=8192)] = 1280
        """Maximum length of the longer side, px."""

        @model_validator(mode="after")
        def _check_hold(self) -> Self:
            if self.hold is not None and self.hold >= self.seconds:
                raise ValueError(f"the time lapse has {self.seconds:g} s, so hold must be less (it is {self.hold:g})")
            return self

    config: Config

    def frame_rate(self, painting: RenderedPainting) -> float:
        """Return the frames per second. Raises UsageError for settings of a time lapse that a film does not have."""
        if painting.film is None:
            return self.config.fps
        if set_for_timelapse := sorted(self.config.model_fields_set & {"seconds", "hold", "fps"}):
            raise UsageError(
                f"{set_for_timelapse[0]}: a painted film has the times of its clip",
                hint="leave it out; film.fps of the recipe sets the frames per second. --frame N makes a time lapse",
            )
        return painting.film.fps

    def frames(self, painting: RenderedPainting) -> Iterator[Image.Image]:
        """Yield the frames, in RGB, with sides of even length."""
        config = self.config
        painting = painting.downscaled(config.longest)
        width, height = painting.size
        shrink = min(1.0, config.longest / max(width, height))
        size = (max(2, round(width * shrink / 2) * 2), max(2, round(height * shrink / 2) * 2))
        if painting.film is not None:
            for number in range(painting.film.frames):
                yield _resize(painting.frame(number).pixels(), size)
            return
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
