"""Clips: sequences of frames, read one after the other.

Frames are read one after the other and sampled at a constant rate, so memory does not grow with the length of a clip.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from artkit.errors import UsageError

MAX_FRAME_PIXELS = 1 << 26
"""The most pixels of a frame, twice those of 8K: several frames are in memory at a time, decoders keep more."""

_LATEST_SHARE = 0.25  # a frame may begin this share of a frame's duration after the time for which it is taken


def check_frame_size(path: Path, size: tuple[int, int]) -> None:
    """Raise UsageError if the frames of a clip, of `size` (width, height) px, are too large."""
    if size[0] * size[1] > MAX_FRAME_PIXELS:
        raise UsageError(
            f"{path} has frames of {size[0]} x {size[1]} px, too many to decode",
            hint=f"scale it down to at most {MAX_FRAME_PIXELS >> 20} million px a frame",
        )


class TimedFrame(NamedTuple):
    """A frame of a clip, RGB or RGBA, upright, and when it begins, s from the first frame."""

    seconds: float
    image: Image.Image


class Clip(ABC):
    """A clip: what can be read as a sequence of frames.

    size: width and height of the upright frames, px. rate: mean number of frames a second; None for a folder, whose
    images have no times. seconds: duration. has_sound: whether there is a sound track. notes: lines for the user, which
    may be added to while frames are read.
    """

    size: tuple[int, int]
    rate: float | None
    seconds: float
    has_sound: bool = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []

    @abstractmethod
    def frames(self) -> Iterator[TimedFrame]:
        """Yield all frames in the order of their times, with strictly increasing times, the first at 0 s."""

    def note(self, line: str) -> None:
        """Add a note about the clip, once."""
        if (text := f"{self.path}: {line}") not in self.notes:
            self.notes.append(text)


class SampledClip:
    """The frames of a clip at a constant rate: the frame that is shown at 0, 1 / rate, 2 / rate, … s.

    fps: the highest rate, frames a second; a clip that has fewer keeps its mean rate, and the images of a folder follow
    each other at `fps`. start: s of the clip that are left out at its beginning. seconds: duration of the part that is
    used; None means up to the end. background: 8-bit RGB behind transparent pixels. Raises UsageError if the clip has
    no frame in that part.
    """

    def __init__(
        self,
        clip: Clip,
        fps: float,
        start: float = 0.0,
        seconds: float | None = None,
        background: tuple[int, int, int] = (255, 255, 255),
    ) -> None:
        self.clip, self._start, self._background = clip, start, background
        self.rate = min(fps, clip.rate) if clip.rate else fps
        duration = clip.seconds if clip.rate else clip.seconds / self.rate
        if start >= duration and start > 0:
            raise UsageError(f"{clip.path} has {duration:.2f} s, so there is nothing at {start:g} s")
        used = duration - start if seconds is None else min(seconds, duration - start)
        self.count = max(1, math.ceil(used * self.rate - 0.01))

    def frames(self, first: int = 0) -> Iterator[Image.Image]:
        """Yield the frames from number `first` on, upright, in RGB.

        A frame that cannot be decoded is replaced by the one before it. Raises UsageError if none can be decoded.
        """
        slack = _LATEST_SHARE / (self.clip.rate or self.rate)
        number, current = first, None
        for seconds, image in self.clip.frames():
            begins = seconds if self.clip.rate else seconds / self.rate
            while current is not None and number < self.count and begins > self._time(number) + slack:
                yield self._opaque(current)
                number += 1
            if number >= self.count:
                return
            current = image
        if current is None:
            raise UsageError(f"{self.clip.path} has no frame that can be decoded", hint="is the file complete?")
        while number < self.count:
            yield self._opaque(current)
            number += 1

    def _time(self, number: int) -> float:
        return self._start + number / self.rate

    def _opaque(self, image: Image.Image) -> Image.Image:
        if image.mode != "RGBA":
            return image
        below = Image.new("RGBA", image.size, (*self._background, 255))
        return Image.alpha_composite(below, image).convert("RGB")
