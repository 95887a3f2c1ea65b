"""What runs paint: the target image or, of a film, a frame of its clip."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from PIL import Image

from artkit.errors import UsageError
from artkit.imaging.clip import SampledClip
from artkit.imaging.clip_files import open_clip
from artkit.imaging.loading import fit_image, load_rgb
from artkit.imaging.pixels import tensor_to_pixels
from artkit.recipes.recipe import FilmConfig
from artkit.studio.folder import modified_ns
from artkit.studio.pictures import encode_jpeg
from artkit.studio.runs import RunReader

_MAX_OPEN_CLIPS = 2
_QUALITY = 88
_LATE_SECONDS = 1e-3  # a time that is so much earlier than a frame is still that of the frame
_LAST_SECONDS = 1e6


class Targets:
    """Targets of runs. Clips stay open, so that the next frame of a film that is painted is read quickly."""

    def __init__(self) -> None:
        self._clips: dict[tuple[Any, ...], _OpenClip] = {}
        self._lock = threading.Lock()

    def jpeg(self, reader: RunReader, side: int, frame: int | None, seconds: float | None) -> bytes:
        """Return the target of a run, fitted to its picture, with a longer side of `side` px.

        frame: of a film, from 1. seconds: the time of a frame in the film instead. Without both it is the last frame
        that was painted. Raises UsageError if the run has no target, or if that cannot be read.
        """
        target = reader.target()
        if target is None or not target.file.exists():
            raise UsageError(f"{reader.name} has no target")
        film = reader.film()
        image = self._frame(reader, film, frame, seconds) if film else load_rgb(target.file, (side, side), [])[0]
        width, height = reader.size() or image.size
        scale = side / max(width, height)
        wanted = (max(1, round(width * scale)), max(1, round(height * scale)))
        return encode_jpeg(tensor_to_pixels(fit_image(image, wanted, target.fit).pixels[0]), _QUALITY)

    def _frame(self, reader: RunReader, film: FilmConfig, frame: int | None, seconds: float | None) -> Image.Image:
        settings = (film.fps, film.start, film.seconds)
        key = (reader.name, film.clip, modified_ns(film.clip), *settings)
        with self._lock:
            if key not in self._clips:
                while len(self._clips) >= _MAX_OPEN_CLIPS:
                    self._clips.pop(next(iter(self._clips)))
                self._clips[key] = _OpenClip(SampledClip(open_clip(film.clip), *settings))
            clip = self._clips[key]
            if frame is None and seconds is not None:
                frame = int(min(seconds + _LATE_SECONDS, _LAST_SECONDS) * clip.sampled.rate) + 1
            return clip.frame((reader.progress()[0] if frame is None else frame) - 1)


class _OpenClip:
    """Reads frames of a clip; quickly if they follow each other."""

    def __init__(self, sampled: SampledClip) -> None:
        self.sampled = sampled
        self._frames: Iterator[Image.Image] = iter(())
        self._next = 0
        self._image: Image.Image | None = None

    def frame(self, number: int) -> Image.Image:
        """Return a frame by its number, from 0; the first or last one for a number outside the clip."""
        number = min(max(number, 0), self.sampled.count - 1)
        if self._image is None or number < self._next - 1:
            self._frames, self._next = self.sampled.frames(number), number
        while self._image is None or self._next <= number:
            self._image = next(self._frames)
            self._next += 1
        return self._image
