"""Paint strokes with the compiled engine: dabs, coverages, and windows of pictures. All cores, any window.

A stroke depends on its pen path and seed alone: results are the same for any number of threads and in any window.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from artkit import UsageError
from artkit_mypaint.brush import Brush
from artkit_mypaint.engine.brush_program import BrushProgram
from artkit_mypaint.engine.dynamics import DAB_SIZE, MEMORY_SHAPE, stroke_dabs
from artkit_mypaint.engine.random_numbers import STATE_SIZE as GENERATOR_SIZE
from artkit_mypaint.engine.rasterizing import ONE, draw_dabs
from artkit_mypaint.pen_paths import EVENT_SECONDS, MAX_EXTENT_RADII, PenPaths

MAX_DABS = 100_000
"""The most dabs of a stroke. Brushes from strangers may ask for more than any computer can draw."""

_INITIAL_CAPACITY = 2048  # dabs that a buffer holds at first
_STROKES_AT_A_TIME = 32  # of a thread's task
_WINDOW_STROKES = 512  # strokes whose dabs are kept at a time while a window is painted
_ORIGIN_GRID = 4096  # px: coordinates are relative to a multiple of this, so that they keep their precision
_EXTENT_SLACK_PX = 4  # added to the extent of a stroke, for edges that fade over a few px

_Strokes = tuple[Any, ...]
Box = tuple[int, int, int, int]


@njit(cache=True, nogil=True)
def _dabs_of(program: BrushProgram, strokes: Any, index: int, buffer: Any) -> Any:
    """The dabs of a stroke: a buffer that holds them, which replaces `buffer` if that is too small, and their number."""
    points, seconds, log_radius, softness, seeds, zoom, origins = strokes
    memory, generator = np.empty(MEMORY_SHAPE, np.float32), np.empty(GENERATOR_SIZE, np.float64)
    count = -1
    while count < 0:
        count = stroke_dabs(
            program,
            points[index],
            seconds,
            log_radius[index],
            softness[index],
            seeds[index],
            zoom,
            origins[index], memory, generator, buffer,
        )
        if count < 0:
            if len(buffer) >= MAX_DABS:
                return buffer, -1
            buffer = np.empty((min(4 * len(buffer), MAX_DABS), DAB_SIZE), np.float32)
    return buffer, count


@njit(cache=True, nogil=True)
def _paint_coverages(program: BrushProgram, strokes: Any, corners: Any, first: int, last: int, coverages: Any) -> int:
    buffer = np.empty((_INITIAL_CAPACITY, DAB_SIZE), np.float32)
    black = np.zeros(3, np.uint32)
    for index in range(first, last):
        buffer, count = _dabs_of(program, strokes, index, buffer)
        if count < 0:
            return -1
        pixels = coverages[index]
        pixels[:] = 0
        x, y = np.float32(corners[index, 0]), np.float32(corners[index, 1])
        draw_dabs(pixels, buffer[:count], -x, -y, black)
    return 0


@njit(cache=True, nogil=True)
def _count_and_collect(program: BrushProgram, strokes: Any, first: int, last: int, counts: Any) -> Any:
    """The dabs of strokes one after another, and their counts."""
    buffer = np.empty((_INITIAL_CAPACITY, DAB_SIZE), np.float32)
    dabs = np.empty((_INITIAL_CAPACITY, DAB_SIZE), np.float32)
    total = 0
    for index in range(first, last):
        buffer, count = _dabs_of(program, strokes, index, buffer)
        counts[index] = count
        if count < 0:
            return dabs[:0]
        if total + count > len(dabs):
            larger = np.empty((2 * (total + count), DAB_SIZE), np.float32)
            larger[:total] = dabs[:total]
            dabs = larger
        dabs[total : total + count] = buffer[:count]
        total += count
    return dabs[:total]


@njit(cache=True, nogil=True)
def _draw_strokes(pixels: Any, dabs: Any, ends: Any, offsets: Any, colours: Any) -> None:
    """Composite strokes over pixels (h, w, 4). ends: where each stroke's dabs end; offsets: from its origin to px."""
    begin = 0
    for index in range(len(ends)):
        x, y = np.float32(offsets[index, 0]), np.float32(offsets[index, 1])
        draw_dabs(pixels, dabs[begin : ends[index]], x, y, colours[index])
        begin = ends[index]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="artkit-engine")


class Engine:
    """Paints strokes with one brush.

    brush: its name, such as ``classic/dry_brush``, or the path of a ``.myb`` file. Raises UsageError if there is no
    such brush, it is invalid, or its strokes are more than a coverage times one colour.
    """

    def __init__(self, brush: str) -> None:
        self.brush = Brush(brush)
        self.brush.require_coverage_only()
        self._program = BrushProgram.from_settings(self.brush.settings)

    def dabs(self, paths: PenPaths) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Compute the dabs of m strokes.

        Returns dabs (k, 9), stroke by stroke: x, y and radius in px of the picture, opacity, hardness, aspect ratio,
        angle in degrees, time in pen events, pressure; and the number of dabs of each stroke (m,). Raises UsageError
        for a stroke of more than `MAX_DABS`.
        """
        strokes, origins = self._strokes(paths)
        counts = np.zeros(len(paths), np.int64)

        def collect(chunk: range) -> npt.NDArray[np.float32]:
            found: npt.NDArray[np.float32] = _count_and_collect(self._program, strokes, chunk.start, chunk.stop, counts)
            return found

        dabs = np.concatenate([*_map(collect, len(paths)), np.empty((0, DAB_SIZE), np.float32)])
        self._check(counts.min(initial=0))
        dabs[:, :2] += np.repeat(origins, counts, axis=0)
        return dabs, counts

    def paint(self, paths: PenPaths, corners: npt.NDArray[np.int64], width: int, height: int) -> npt.NDArray[np.uint16]:
        """Paint each of m strokes on a patch of its own.

        corners (m, 2): upper left corner of each patch, px of the picture -> coverages (m, height, width), where `ONE`
        is 1. Raises UsageError for a stroke of more than `MAX_DABS` dabs.
        """
        strokes, origins = self._strokes(paths)
        coverages = np.empty((len(paths), height, width, 1), np.uint16)
        local = np.ascontiguousarray(corners - origins)

        def paint(chunk: range) -> int:
            return int(_paint_coverages(self._program, strokes, local, chunk.start, chunk.stop, coverages))

        self._check(min(_map(paint, len(paths)), default=0))
        return coverages[..., 0]

    def paint_window(
        self, groups: Sequence[PenPaths], window: Box, background: Sequence[float]
    ) -> npt.NDArray[np.float32]:
        """Paint groups of strokes over each other, and return a window of the picture.

        window: x, y, width and height, px of the picture. background: RGB in [0, 1] -> (height, width, 3); or four
        zeros for a transparent one -> (height, width, 4), premultiplied RGB and alpha.
        """
        x, y, width, height = window
        fill = np.array([*background, 1.0][:4], np.float64)
        pixels = np.empty((height, width, 4), np.uint16)
        pixels[:] = np.rint(fill * ONE).astype(np.uint16)
        edges = np.linspace(0, height, (os.cpu_count() or 1) + 1).astype(int).tolist()
        for paths in groups:
            near = np.flatnonzero(_intersects(paths, window))
            for chunk in np.split(near, range(_WINDOW_STROKES, len(near), _WINDOW_STROKES)):
                some = paths.subset(chunk)
                strokes, origins = self._strokes(some)
                counts = np.zeros(len(some), np.int64)
                dabs = _count_and_collect_all(self._program, strokes, len(some), counts)
                self._check(counts.min(initial=0))
                colours = np.rint(some.colours * ONE).astype(np.uint32)
                offsets = origins - np.array([x, y])

                def draw(
                    strip: tuple[int, int],
                    dabs: Any = dabs,
                    ends: Any = counts.cumsum(),
                    offsets: Any = offsets,
                    colours: Any = colours,
                ) -> None:
                    top, bottom = strip
                    _draw_strokes(pixels[top:bottom], dabs, ends, offsets - np.array([0, top]), colours)

                list(_pool().map(draw, itertools.pairwise(edges)))
        return pixels[..., : len(background)].astype(np.float32) / np.float32(ONE)

    def _strokes(self, paths: PenPaths) -> tuple[_Strokes, npt.NDArray[np.float64]]:
        """What the kernels need of strokes, and the origin (m, 2) of each stroke's coordinates, px of the picture."""
        origins = np.floor(paths.points[:, 0, :2] / _ORIGIN_GRID) * _ORIGIN_GRID
        points = paths.points.copy()
        points[..., :2] -= origins[:, None]
        log_radius, softness = self.brush.base_values(paths.log_radius)
        strokes = (
            points,
            np.array(EVENT_SECONDS),
            log_radius.astype(np.float32),
            softness.astype(np.float32),
            paths.seeds,
            np.float32(1 / paths.zoom),
            origins,
        )
        return strokes, origins

    def _check(self, status: int) -> None:
        if status < 0:
            raise UsageError(
                f'the brush "{self.brush.name}" draws more than {MAX_DABS:,} dabs on one stroke',
                hint="lower dabs_per_actual_radius, dabs_per_basic_radius or dabs_per_second in its file",
            )


def _count_and_collect_all(
    program: BrushProgram, strokes: _Strokes, count: int, counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    chunks = _map(lambda chunk: _count_and_collect(program, strokes, chunk.start, chunk.stop, counts), count)
    return np.concatenate([*chunks, np.empty((0, DAB_SIZE), np.float32)])


def _map(function: Callable[[range], Any], count: int) -> Iterator[Any]:
    """Call a function for chunks of strokes on all cores; the results in order."""
    starts = range(0, count, _STROKES_AT_A_TIME)
    return _pool().map(function, [range(start, min(start + _STROKES_AT_A_TIME, count)) for start in starts])


def _intersects(paths: PenPaths, box: Box) -> npt.NDArray[np.bool_]:
    """Which strokes (m,) may leave paint in a box."""
    x, y, width, height = box
    extent = MAX_EXTENT_RADII * np.exp(paths.log_radius) + _EXTENT_SLACK_PX
    low, high = paths.points[..., :2].min(1), paths.points[..., :2].max(1)
    outside_x = (high[:, 0] + extent < x) | (low[:, 0] - extent > x + width)
    outside_y = (high[:, 1] + extent < y) | (low[:, 1] - extent > y + height)
    return ~(outside_x | outside_y)
