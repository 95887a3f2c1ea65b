"""A painting to export: a stroke log and a renderer, from which any window can be had at any scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from artkit import memmap
from artkit.errors import UsageError
from artkit.geometry.phase import Phase
from artkit.geometry.window import Window
from artkit.imaging.pixels import Pixels, tensor_to_pixels
from artkit.rendering.stroke_renderer import StrokeRenderer
from artkit.strokes.stroke_log import StrokeLog

WINDOW_SIDE = 2048
"""Side in px of the windows in which a picture is painted when it leaves whole: memory does not grow with it."""


@dataclass(frozen=True)
class RenderedPainting:
    """What an exporter gets.

    scale: times the size that the recipe says. metadata: what the file should tell of itself. part: what leaves, in px of
    the recipe's picture; the whole unless told. folder: where what is too large for memory is kept meanwhile.
    """

    log: StrokeLog
    renderer: StrokeRenderer
    scale: float = 1.0
    metadata: dict[str, str] = field(default_factory=dict)
    region: Window | None = None
    folder: Path | None = None
    _painted: dict[int, Pixels] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        part = self.region or Window(0, 0, *self.log.size)
        left, top = self._corner
        return round((part.x + part.width) * self.scale) - left, round((part.y + part.height) * self.scale) - top

    @property
    def _corner(self) -> tuple[int, int]:
        return (round(self.region.x * self.scale), round(self.region.y * self.scale)) if self.region else (0, 0)

    @torch.no_grad()
    def window(self, x: int, y: int, width: int, height: int) -> Tensor:
        """The pixels of a rectangle: (3, height, width), sRGB in [0, 1]."""
        left, top = self._corner
        picture = self.renderer.replay(self.log, Window(left + x, top + y, width, height, self.scale))
        return picture.clamp(0, 1).cpu()

    def windows(self) -> Iterator[tuple[int, int, int, int]]:
        """Rectangles x, y, width, height of at most `WINDOW_SIDE` px a side that make up the picture, row by row."""
        width, height = self.size
        for y in range(0, height, WINDOW_SIDE):
            for x in range(0, width, WINDOW_SIDE):
                yield x, y, min(WINDOW_SIDE, width - x), min(WINDOW_SIDE, height - y)

    def pixels(self, bits: int = 8) -> Pixels:
        """The whole picture, (h, w, 3), as whole numbers of 8 or 16 bits. It is painted once, window by window, and
        lies on the disk if it is large, for all exporters that ask.
        """
        if bits not in self._painted:
            width, height = self.size
            whole = memmap.zeros((height, width, 3), np.dtype(f"u{bits // 8}"), self.folder)
            for x, y, w, h in self.windows():
                whole[y : y + h, x : x + w] = tensor_to_pixels(self.window(x, y, w, h), bits)
                memmap.release()
            self._painted[bits] = whole
        return self._painted[bits]

    def to_tensor(self) -> Tensor:
        """The whole picture: (3, h, w), sRGB in [0, 1]."""
        whole = torch.empty(3, *reversed(self.size))
        for x, y, w, h in self.windows():
            whole[:, y : y + h, x : x + w] = self.window(x, y, w, h)
        return whole

    @torch.no_grad()
    def render_phases(self, phases: Sequence[Phase], x: int, y: int, width: int, height: int) -> Tensor:
        """What the strokes of some phases alone leave on a rectangle: red, green and blue times coverage, and
        coverage, (4, height, width) in [0, 1].
        """
        left, top = self._corner
        log = replace(self.log, phases=tuple(phases), background=(0.0, 0.0, 0.0, 0.0))
        return self.renderer.replay(log, Window(left + x, top + y, width, height, self.scale)).clamp(0, 1).cpu()

    def passes(self, most: int) -> list[tuple[Phase, ...]]:
        """The phases in the passes in which the picture is gone over, as every tile gets its next stroke; at most so
        many, neighbouring ones together.
        """
        made: list[list[Phase]] = []
        seen: set[tuple[int, ...]] = set()
        for phase in self.log.phases:
            place = (phase.x, phase.y, phase.side)
            if place in seen or not made or made[-1][-1].side != phase.side:
                made.append([])
                seen.clear()
            seen.add(place)
            made[-1].append(phase)
        ends = [len(made) * (index + 1) // min(most, len(made)) for index in range(min(most, len(made)))]
        starts = [0, *ends[:-1]]
        return [tuple(p for one in made[a:b] for p in one) for a, b in zip(starts, ends, strict=True)]

    def downscaled(self, longest: int) -> RenderedPainting:
        """The painting at the least scale, halved again and again, at which its longer side has `longest` px or more
        and its renderer paints it; or as it is.
        """
        painting = self
        while max(painting.size) >= 2 * longest:
            smaller = replace(painting, scale=painting.scale / 2, _painted={})
            try:
                smaller.window(0, 0, 1, 1)
            except UsageError:
                break
            painting = smaller
        return painting
