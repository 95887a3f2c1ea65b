"""The sound of a film: that of the clip, encoded again for the format of the film."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

from artkit.imaging.video_file import open_container
from artkit.strokes.film_log import FilmLog

_BIT_RATE = 192_000
_SAMPLE_RATE = 48_000  # which all codecs have


class FilmSound:
    """Writes the sound of a clip into a film, in step with its frames, so that memory does not grow with its length.

    source: the opened clip, or None for a film without sound. start, end: the part of the clip, s from its first frame.
    """

    def __init__(self, library: Any, source: Any, codec: str, start: float = 0.0, end: float = 0.0) -> None:
        self._library, self._source, self._codec = library, source, codec
        self._start, self._end = start, end
        self._stream: Any = None
        self._frames: Iterator[Any] = iter(())
        self._written = 0  # samples

    @classmethod
    @contextlib.contextmanager
    def of_film(cls, film: FilmLog | None, library: Any, codec: str) -> Iterator[Self]:
        """Open the clip of a film. There is no sound if it has none, if it is no longer there, or without a film."""
        with contextlib.ExitStack() as stack:
            source = None
            if film is not None and Path(film.clip).is_file():
                with contextlib.suppress(library.FFmpegError, OSError, ValueError):
                    source = stack.enter_context(open_container(library, film.clip))
            if source is None or film is None or not _has_sound(source):
                yield cls(library, None, codec)
            else:
                yield cls(library, source, codec, film.start, film.start + film.frames / film.fps)

    def add_to(self, container: Any) -> None:
        """Add the sound track to a film, before its first frame is written."""
        if self._source is None:
            return
        track = self._source.streams.audio[0]
        layout = "mono" if track.channels == 1 else "stereo"
        self._stream = container.add_stream(self._codec, rate=_SAMPLE_RATE, layout=layout)
        self._stream.bit_rate = _BIT_RATE
        self._frames = self._resampled(track, layout)

    def mux_until(self, container: Any, seconds: float) -> None:
        """Write the sound up to a time of the film, s."""
        if self._stream is None:
            return
        while self._written < seconds * _SAMPLE_RATE and (frame := next(self._frames, None)) is not None:
            container.mux(self._stream.encode(frame))
            self._written += frame.samples

    def finish(self, container: Any) -> None:
        """Write the rest of the sound."""
        if self._stream is None:
            return
        self.mux_until(container, self._end - self._start)
        container.mux(self._stream.encode())

    def _resampled(self, track: Any, layout: str) -> Iterator[Any]:
        """Yield the sound between start and end, with times from 0 on. It ends where the clip is damaged."""
        begin, position = _begin_seconds(self._source), 0
        resampler: Any = None
        kind: tuple[str, str, int] | None = None
        with contextlib.suppress(self._library.FFmpegError):
            for frame in self._source.decode(track):
                seconds = (frame.time or 0.0) - begin
                if seconds + frame.samples / frame.sample_rate <= self._start:
                    continue
                if seconds >= self._end:
                    break
                frame.pts = None
                if kind != (kind := (frame.format.name, frame.layout.name, frame.sample_rate)):  # it may change
                    resampler = self._library.AudioResampler(
                        format=self._stream.codec_context.format, layout=layout, rate=_SAMPLE_RATE
                    )
                for resampled in resampler.resample(frame):
                    resampled.pts, resampled.time_base = position, Fraction(1, _SAMPLE_RATE)
                    position += resampled.samples
                    yield resampled


def _has_sound(source: Any) -> bool:
    """Return whether the first sound track has a known codec."""
    return bool(source.streams.audio) and source.streams.audio[0].codec_context is not None


def _begin_seconds(source: Any) -> float:
    """Return when the pictures of a clip begin, s."""
    pictures = source.streams.video
    if not pictures or pictures[0].start_time is None:
        return 0.0
    return float(pictures[0].start_time * pictures[0].time_base)
