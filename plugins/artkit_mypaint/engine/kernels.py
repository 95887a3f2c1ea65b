"""The kernels of the engine that Python calls. They are compiled at their first use, which takes seconds, and cached.

numba does not recompile a cached kernel when a function that it calls has changed in another file. Each kernel is
therefore a closure over a hash of all sources of this package, which becomes part of the key of its cache.

All work is done on strokes, a tuple of points (m, events, 3), seconds (events,), log_radius (m,), softness (m,),
seeds (m,), zoom, origins (m, 2), and colours (m, 3): see `dynamics.stroke_dabs`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from artkit_mypaint.engine.brush_program import USES_COLOUR
from artkit_mypaint.engine.compilation import entry_point
from artkit_mypaint.engine.dynamics import stroke_dabs
from artkit_mypaint.engine.random_numbers import STATE_SIZE
from artkit_mypaint.engine.rasterizing import draw_dabs
from artkit_mypaint.engine.state import COLOURED_DAB_SIZE, DAB_SIZE, MEMORY_SHAPE

MAX_DABS = 100_000
"""The most dabs of a stroke. Brushes from strangers may ask for more than any computer can draw."""

_INITIAL_CAPACITY = 2048  # dabs that a buffer holds at first

Kernel = Callable[..., Any]


def _source_hash() -> int:
    sources = b"".join(file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py")))
    return int.from_bytes(hashlib.sha256(sources).digest()[:6], "big")


@njit(nogil=True)
def _dab_size(program: Any) -> int:
    return COLOURED_DAB_SIZE if program.uses & USES_COLOUR else DAB_SIZE


@njit(nogil=True)
def _dabs_of_stroke(program: Any, strokes: Any, index: int, buffer: Any) -> Any:
    """Return a buffer that holds the dabs of a stroke, `buffer` or a larger one, and their number; -1: too many."""
    points, seconds, log_radius, softness, seeds, zoom, origins, colours = strokes
    memory, generator = np.empty(MEMORY_SHAPE, np.float32), np.empty(STATE_SIZE, np.float64)
    while True:
        count = stroke_dabs(
            program,
            points[index],
            seconds,
            log_radius[index],
            softness[index],
            seeds[index],
            zoom,
            origins[index],
            colours[index],
            memory,
            generator,
            buffer,
        )
        if count >= 0 or len(buffer) >= MAX_DABS:
            return buffer, count
        buffer = np.empty((min(4 * len(buffer), MAX_DABS), buffer.shape[1]), np.float32)


def _patch_kernel(source_hash: int) -> Kernel:
    @entry_point
    def paint_patches(program: Any, strokes: Any, corners: Any, first: int, last: int, patches: Any) -> int:
        """Paint strokes on patches with the given corners; return -1 if one has too many dabs, otherwise 0.

        patches (m, h, w, 1): for coverages; or (m, h, w, 4) for premultiplied RGB and alpha of a brush whose dabs have
        a colour.
        """
        _ = source_hash
        buffer = np.empty((_INITIAL_CAPACITY, _dab_size(program)), np.float32)
        black = np.zeros(3, np.uint32)
        for index in range(first, last):
            buffer, count = _dabs_of_stroke(program, strokes, index, buffer)
            if count < 0:
                return -1
            patches[index] = 0
            draw_dabs(patches[index], buffer[:count], corners[index, 0], corners[index, 1], black)
        return 0

    kernel: Kernel = paint_patches
    return kernel


def _dab_kernel(source_hash: int) -> Kernel:
    @entry_point
    def collect_dabs(program: Any, strokes: Any, first: int, last: int, counts: Any) -> Any:
        """Return the dabs of strokes one after another, and write their counts, -1 for too many."""
        _ = source_hash
        buffer = np.empty((_INITIAL_CAPACITY, _dab_size(program)), np.float32)
        dabs = np.empty((_INITIAL_CAPACITY, _dab_size(program)), np.float32)
        total = 0
        for index in range(first, last):
            buffer, count = _dabs_of_stroke(program, strokes, index, buffer)
            counts[index] = count
            if count < 0:
                return dabs[:0]
            if total + count > len(dabs):
                larger = np.empty((2 * (total + count), dabs.shape[1]), np.float32)
                larger[:total] = dabs[:total]
                dabs = larger
            dabs[total : total + count] = buffer[:count]
            total += count
        return dabs[:total]

    kernel: Kernel = collect_dabs
    return kernel


def _drawing_kernel(source_hash: int) -> Kernel:
    @entry_point
    def draw_strokes(pixels: Any, dabs: Any, ends: Any, corners: Any, colours: Any) -> None:
        """Composite strokes over pixels (h, w, 4).

        ends (m,): where the dabs of each end. corners (m, 2): of the pixels, in the coordinates of each stroke.
        """
        _ = source_hash
        begin = 0
        for index in range(len(ends)):
            draw_dabs(pixels, dabs[begin : ends[index]], corners[index, 0], corners[index, 1], colours[index])
            begin = ends[index]

    kernel: Kernel = draw_strokes
    return kernel


_HASH = _source_hash()
paint_patches = _patch_kernel(_HASH)
collect_dabs = _dab_kernel(_HASH)
draw_strokes = _drawing_kernel(_HASH)
