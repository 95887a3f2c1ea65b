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

from artkit import UsageError
from artkit_mypaint.brush import Brush
from artkit_mypaint.engine.brush_program import BrushProgram
from artkit_mypaint.engine.kernels import MAX_DABS, collect_dabs, draw_strokes, paint_patches
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.pen_paths import EVENT_SECONDS, PenPaths

ENGINE_VERSION = "1, libmypaint 1.6"
"""Changes when the strokes of the engine change; and the library whose strokes they are."""

ORIGIN_GRID_PX = 4096
"""Coordinates of a stroke are relative to a multiple of this, so that they keep their precision."""

_STROKES_AT_A_TIME = 32  # of a thread's task
_WINDOW_STROKES = 512  # strokes whose dabs are kept at a time while a window is painted

_Strokes = tuple[Any, ...]
Box = tuple[int, int, int, int]


def _cores() -> int:
    """Return the number of threads: the cores, or what OMP_NUM_THREADS says, which torch respects too."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(limit)) if limit.isdigit() else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_cores(), thread_name_prefix="artkit-engine")


if hasattr(os, "register_at_fork"):  # a process that is forked from this one has none of its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


class Engine:
    """Paints strokes with one brush.

    brush: its name, such as ``classic/dry_brush``, or the path of a ``.myb`` file. Raises UsageError if there is no
    such brush, it is invalid, or its strokes depend on the canvas below.
    """

    def __init__(self, brush: str) -> None:
        self.brush = Brush(brush)
        self.brush.require_supported()
        self._program = BrushProgram.from_settings(self.brush.settings)

    def dabs(self, paths: PenPaths) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Compute the dabs of m strokes.

        Returns dabs (k, 9), stroke by stroke: x, y and radius in px of the picture, opacity, hardness, aspect ratio,
        angle in degrees, time in pen events, pressure; and the number of dabs of each stroke (m,). Dabs of a brush that
        changes its colour have three more values (k, 12): RGB in [0, 1]. Raises UsageError for a stroke of more than
        `MAX_DABS`.
        """
        dabs, counts, origins = self._local_dabs(paths)
        dabs[:, :2] += np.repeat(origins, counts, axis=0)
        return dabs, counts

    def paint(self, paths: PenPaths, corners: npt.NDArray[np.int64], width: int, height: int) -> npt.NDArray[np.uint16]:
        """Paint each of m strokes on a patch of its own.

        corners (m, 2): upper left corner of each patch, px of the picture -> coverages (m, height, width), where `ONE`
        is 1. Raises UsageError for a stroke of more than `MAX_DABS` dabs.
        """
        return self._paint(paths, corners, np.empty((len(paths), height, width, 1), np.uint16))[..., 0]

    def paint_coloured(
        self, paths: PenPaths, corners: npt.NDArray[np.int64], width: int, height: int
    ) -> npt.NDArray[np.uint16]:
        """`paint` with colours, for a brush that changes its colour within a stroke.

        Returns patches (m, height, width, 4): RGB premultiplied by alpha, and alpha, where `ONE` is 1.
        """
        return self._paint(paths, corners, np.empty((len(paths), height, width, 4), np.uint16))

    def paint_patches(
        self, paths: PenPaths, corners: npt.NDArray[np.int64], width: int, height: int
    ) -> npt.NDArray[np.uint16]:
        """Paint each of m strokes with the channels that it needs: `paint` (m, 1, height, width), or, of a brush that
        changes its colour, `paint_coloured` (m, 4, height, width).
        """
        if self.brush.colour_setting:
            return self.paint_coloured(paths, corners, width, height).transpose(0, 3, 1, 2)
        return self.paint(paths, corners, width, height)[:, None]

    def _paint(
        self, paths: PenPaths, corners: npt.NDArray[np.int64], patches: npt.NDArray[np.uint16]
    ) -> npt.NDArray[np.uint16]:
        strokes, origins = self._strokes(paths)
        local = np.ascontiguousarray(corners - origins, dtype=np.int64)

        def paint(chunk: range) -> int:
            return int(paint_patches(self._program, strokes, local, chunk.start, chunk.stop, patches))

        self._check(min(_map(paint, len(paths)), default=0))
        return patches

    def paint_window(
        self, groups: Sequence[PenPaths], window: Box, background: Sequence[float]
    ) -> npt.NDArray[np.float32]:
        """Paint groups of strokes over each other, and return a window of the picture.

        window: x, y, width and height, px of the picture. background: RGB in [0, 1] -> (height, width, 3); or four
        zeros for a transparent one -> (height, width, 4), premultiplied RGB and alpha.
        """
        x, y, width, height = window
        pixels = np.empty((height, width, 4), np.uint16)
        pixels[:] = np.rint(np.array([*background, 1.0][:4]) * ONE).astype(np.uint16)
        for paths in groups:
            self.draw(paths, pixels, x, y)
        return pixels[..., : len(background)].astype(np.float32) / np.float32(ONE)

    def draw(self, paths: PenPaths, pixels: npt.NDArray[np.uint16], x: int, y: int) -> None:
        """Paint strokes over pixels (h, w, 4), fixed point, whose upper left corner is (x, y) px of the picture."""
        height, width, _ = pixels.shape
        near = paths.intersecting((x, y, width, height), self.brush.max_extent_radii)
        for start in range(0, len(near), _WINDOW_STROKES):
            self._draw(paths.subset(near[start : start + _WINDOW_STROKES]), pixels, x, y)

    def _draw(self, paths: PenPaths, pixels: npt.NDArray[np.uint16], x: int, y: int) -> None:
        """Composite strokes over pixels (h, w, 4) with their upper left corner at (x, y); each core draws a strip."""
        dabs, counts, origins = self._local_dabs(paths)
        colours = np.rint(paths.colours * ONE).astype(np.uint32)
        ends = counts.cumsum()
        corners = np.array([x, y]) - origins.astype(np.int64)
        draw_strokes(pixels, dabs, ends[:0], corners, colours)  # compiles it before threads need it

        def draw(strip: tuple[int, int]) -> None:
            top, bottom = strip
            draw_strokes(pixels[top:bottom], dabs, ends, corners + np.array([0, top]), colours)

        edges = np.linspace(0, len(pixels), _cores() + 1).astype(int).tolist()
        list(_pool().map(draw, itertools.pairwise(edges)))

    def _local_dabs(
        self, paths: PenPaths
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Compute dabs (k, 9) relative to the origins (m, 2) of their strokes, and their counts (m,)."""
        strokes, origins = self._strokes(paths)
        counts = np.zeros(len(paths), np.int64)

        def collect(chunk: range) -> npt.NDArray[np.float32]:
            found: npt.NDArray[np.float32] = collect_dabs(self._program, strokes, chunk.start, chunk.stop, counts)
            return found

        dabs = np.concatenate(list(_map(collect, len(paths))) or [collect(range(0))])
        self._check(int(counts.min(initial=0)))
        return dabs, counts, origins

    def _strokes(self, paths: PenPaths) -> tuple[_Strokes, npt.NDArray[np.float64]]:
        """What the kernels need of strokes, and the origin (m, 2) of each stroke's coordinates, px of the picture."""
        origins = np.rint(paths.points[:, 0, :2] / ORIGIN_GRID_PX) * ORIGIN_GRID_PX
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
            paths.colours.astype(np.float32),
        )
        return strokes, origins

    def _check(self, status: int) -> None:
        if status < 0:
            raise too_many_dabs(self.brush, MAX_DABS)


def too_many_dabs(brush: Brush, limit: int) -> UsageError:
    """Return the error for a stroke with more dabs than a limit."""
    return UsageError(
        f'the brush "{brush.name}" draws more than {limit:,} dabs on one stroke',
        hint="lower dabs_per_actual_radius, dabs_per_basic_radius or dabs_per_second in its file",
    )


def _map(function: Callable[[range], Any], count: int) -> Iterator[Any]:
    """Call a function for chunks of strokes on all cores; the results in order."""
    function(range(0))  # compiles its kernel, which is slower in threads
    starts = range(0, count, _STROKES_AT_A_TIME)
    return _pool().map(function, [range(start, min(start + _STROKES_AT_A_TIME, count)) for start in starts])
