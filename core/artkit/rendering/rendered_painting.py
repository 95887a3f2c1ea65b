"""A painting to export: a stroke log and a renderer, which render any window at any scale."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from artkit import memmap
from artkit.devices import release_memory
from artkit.errors import UsageError
from artkit.geometry.phase import Phase
from artkit.geometry.window import Region, Window
from artkit.imaging.pixels import Pixels, tensor_to_pixels
from artkit.rendering.stroke_renderer import StrokeRenderer
from artkit.strokes.film_log import FilmLog
from artkit.strokes.stroke_log import StrokeLog

WINDOW_SIDE = 2048
"""Side in px of the windows in which a whole picture is rendered, so that memory does not depend on its size."""

_MIN_WINDOW_SIDE = 64  # px of windows that are halved, at least

_MAX_EXTENT_SIDES = 2
"""Distance that paint can extend beyond its tile, in sides of the tile, with any renderer of artkit."""


@dataclass(frozen=True)
class RenderedPainting:
    """A painting as exporters get it.

    scale: size relative to the recipe's. metadata: key and value of texts to write into the file. region: the part to
    export, in px of the recipe; None means the whole picture. folder: where large temporary files are created.

    Examples:
        >>> import artkit, torch
        >>> phase = artkit.Phase(first=0, x=0, y=0, pitch=48, rows=1, columns=1, side=48)
        >>> painter = artkit.painter("mypaint")
        >>> log = artkit.StrokeLog(
        ...     size=(48, 48), background=(1, 1, 1), seed=0, renderer={"type": "mypaint"}, space=painter.space.name,
        ...     names=painter.space.names, actions=torch.rand(1, 12), phases=(phase,),
        ... )
        >>> painting = artkit.RenderedPainting(log, painter.renderer, scale=2.0)
        >>> painting.to_tensor().shape, painting.pixels(bits=16).dtype
        (torch.Size([3, 96, 96]), dtype('uint16'))
    """

    log: StrokeLog
    renderer: StrokeRenderer
    scale: float = 1.0
    metadata: dict[str, str] = field(default_factory=dict)
    region: Window | Region | None = None
    folder: Path | None = None
    render: Callable[[int], Pixels] | None = None
    """What renders all pixels, with a number of bits, instead of one window after the other in this process."""
    film: FilmLog | None = None
    """The film, of which the painting is a frame; None for a picture."""
    _pixel_cache: dict[int, Pixels] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        region = self.region or Window(0, 0, *self.log.size)
        left, top = self._corner
        return round((region.x + region.width) * self.scale) - left, round(
            (region.y + region.height) * self.scale
        ) - top

    @property
    def _corner(self) -> tuple[int, int]:
        """Upper left of the region in px of the scaled picture."""
        return (round(self.region.x * self.scale), round(self.region.y * self.scale)) if self.region else (0, 0)

    @torch.no_grad()
    def window(self, x: int, y: int, width: int, height: int) -> Tensor:
        """Render a rectangle: (3, height, width), sRGB in [0, 1]."""
        if self.log.background_image is None:
            return self._replay(self.log, x, y, width, height)
        paint = self._replay(self._transparent_log, x, y, width, height)
        return self.background(x, y, width, height).mul_(1 - paint[3]).add_(paint[:3])

    def frame(self, number: int) -> RenderedPainting:
        """Return a frame of the film, from 0, as a picture of its own."""
        assert self.film is not None
        log = self.film.frame(number)
        return replace(self, log=log, film=None, render=None, _pixel_cache={})

    def windows(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield rectangles (x, y, width, height) of at most `WINDOW_SIDE` px a side that cover the picture."""
        width, height = self.size
        for y in range(0, height, WINDOW_SIDE):
            for x in range(0, width, WINDOW_SIDE):
                yield x, y, min(WINDOW_SIDE, width - x), min(WINDOW_SIDE, height - y)

    def pixels(self, bits: int = 8) -> Pixels:
        """Return the picture as integers of 8 or 16 bits: (h, w, 3).

        It is rendered once, window by window, and cached for all exporters; a large picture is memory-mapped.
        """
        if bits not in self._pixel_cache and self.render:
            self._pixel_cache[bits] = self.render(bits)
        if bits not in self._pixel_cache:
            width, height = self.size
            pixels = memmap.zeros((height, width, 3), np.dtype(f"u{bits // 8}"), self.folder)
            for x, y, w, h in self.windows():
                pixels[y : y + h, x : x + w] = tensor_to_pixels(self.window(x, y, w, h), bits)
                memmap.release()
            self._pixel_cache[bits] = pixels
        return self._pixel_cache[bits]

    def to_tensor(self) -> Tensor:
        """Return the picture: (3, h, w), sRGB in [0, 1]."""
        picture = torch.empty(3, *reversed(self.size))
        for x, y, w, h in self.windows():
            picture[:, y : y + h, x : x + w] = self.window(x, y, w, h)
        return picture

    @torch.no_grad()
    def render_phases(self, phases: Sequence[Phase], x: int, y: int, width: int, height: int) -> Tensor:
        """Render only the strokes of some phases, on a transparent rectangle: premultiplied RGBA, (4, h, w)."""
        return self._replay(replace(self._transparent_log, phases=tuple(phases)), x, y, width, height)

    def paint_strokes(self, picture: Tensor, first: int, end: int) -> None:
        """Paint the strokes from `first` to before `end` on the whole picture (3, h, w), in place."""
        _, height, width = picture.shape
        left, top = (self.region.x, self.region.y) if self.region else (0, 0)
        subphases = (phase.subphases(first, end) for phase in self.log.phases)
        for phase in itertools.chain.from_iterable(subphases):
            margin = _MAX_EXTENT_SIDES * phase.side
            tiles_width, tiles_height = ((n - 1) * phase.pitch + phase.side for n in (phase.columns, phase.rows))
            x0, x1 = (
                min(max(round((x - left) * self.scale), 0), width)
                for x in (phase.x - margin, phase.x + tiles_width + margin)
            )
            y0, y1 = (
                min(max(round((y - top) * self.scale), 0), height)
                for y in (phase.y - margin, phase.y + tiles_height + margin)
            )
            if x1 > x0 and y1 > y0:
                paint = self.render_phases([phase], x0, y0, x1 - x0, y1 - y0)
                base = picture[:, y0:y1, x0:x1]
                base.mul_(1 - paint[3]).add_(paint[:3])

    @property
    def _transparent_log(self) -> StrokeLog:
        return replace(self.log, background=(0.0, 0.0, 0.0, 0.0), background_image=None)

    def background(self, x: int, y: int, width: int, height: int) -> Tensor:
        """Return a rectangle of the background: (3, height, width), sRGB in [0, 1]."""
        if self.log.background_image is None:
            return torch.tensor(self.log.background).view(3, 1, 1).repeat(1, height, width)
        left, top = self._corner
        return self.log.background_image.window(Window(left + x, top + y, width, height, self.scale))[0].cpu().clone()

    def _replay(self, log: StrokeLog, x: int, y: int, width: int, height: int) -> Tensor:
        """Render a rectangle of a log: (3 or 4, h, w), on the CPU. Where it exceeds the memory of a GPU, in halves."""
        left, top = self._corner
        try:
            picture = self.renderer.replay(log, Window(left + x, top + y, width, height, self.scale))
            return picture.clamp(0, 1).cpu()
        except torch.OutOfMemoryError:
            if max(width, height) < 2 * _MIN_WINDOW_SIDE:
                raise
        release_memory()  # outside of the block in which the exception holds the tensors
        w, h = (width // 2, height) if width >= height else (width, height // 2)
        _note_smaller_windows(w, h)
        first = self._replay(log, x, y, w, h)
        if w < width:
            return torch.cat([first, self._replay(log, x + w, y, width - w, height)], dim=2)
        return torch.cat([first, self._replay(log, x, y + h, width, height - h)], dim=1)

    def passes(self, max_count: int) -> list[tuple[Phase, ...]]:
        """Group the phases into passes, each of which paints at most one stroke on every tile.

        If there are more than `max_count` passes, consecutive ones are merged.
        """
        passes: list[list[Phase]] = []
        painted: set[tuple[int, ...]] = set()
        for phase in self.log.phases:
            lattice = (phase.x, phase.y, phase.side)
            if lattice in painted or not passes or passes[-1][-1].side != phase.side:
                passes.append([])
                painted.clear()
            painted.add(lattice)
            passes[-1].append(phase)
        count = min(max_count, len(passes))
        ends = [len(passes) * (index + 1) // count for index in range(count)]
        starts = [0, *ends[:-1]]
        return [tuple(phase for p in passes[a:b] for phase in p) for a, b in zip(starts, ends, strict=True)]

    def downscaled(self, longest: int) -> RenderedPainting:
        """Return the painting with its scale halved as long as its longer side has at least `longest` px.

        Halving stops at a scale at which the renderer cannot render it.
        """
        painting = self
        while max(painting.size) >= 2 * longest:
            smaller = replace(painting, scale=painting.scale / 2, _pixel_cache={})
            try:
                smaller.window(0, 0, 1, 1)
            except UsageError:
                break
            painting = smaller
        return painting


@cache
def _note_smaller_windows(width: int, height: int) -> None:
    """Tell the user, once for each size, that the GPU has no memory for larger windows."""
    print(f"note: the GPU ran out of memory; rendering goes on with windows of {width} x {height} px", file=sys.stderr)
