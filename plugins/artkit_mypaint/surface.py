"""TODO: artkit_mypaint.surface."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import byref
from typing import Any

import numpy as np
import numpy.typing as npt

from artkit_mypaint import libmypaint
from artkit_mypaint.libmypaint import ONE, TILE

Image = npt.NDArray[np.float32]


class Surface:
    """Pixels for the library to paint on: the rectangle (x, y, width, height) of an endless canvas, in px.

    background: RGB in [0, 1], or None for transparent. What is painted outside the rectangle is dropped.
    """

    def __init__(
        self, x: int, y: int, width: int, height: int, background: Sequence[float] | None = (1.0, 1.0, 1.0)
    ) -> None:
        self._lib = libmypaint.library()
        self.x, self.y, self.width, self.height = x, y, width, height
        self._first = (x // TILE, y // TILE)
        columns = (x + width - 1) // TILE - self._first[0] + 1
        rows = (y + height - 1) // TILE - self._first[1] + 1
        fill = (0, 0, 0, 0) if background is None else tuple(round(c * ONE) for c in (*background, 1.0))
        self._fill = np.array(fill, np.uint16)
        self._tiles = np.empty((rows, columns, TILE, TILE, 4), np.uint16)
        self._tiles[:] = self._fill
        self._memory = ctypes.create_string_buffer(libmypaint.SURFACE_BYTES)
        self.pointer = ctypes.addressof(self._memory)
        self._touched: set[tuple[int, int]] = set()
        server = _tile_server(self._tiles, self._first, self._touched)
        self._callbacks = (server, libmypaint.TileCallback(lambda *_: None))
        self._lib.mypaint_tiled_surface2_init(self.pointer, *self._callbacks)
        self._changed = libmypaint.Rectangles(1, ctypes.pointer(libmypaint.Rectangle()))

    def __del__(self) -> None:
        if getattr(self, "_changed", None):
            self._lib.mypaint_tiled_surface2_destroy(self.pointer)

    def clear(self) -> None:
        """Take all paint away that the last transaction brought."""
        for tile, _ in self._changes():
            tile[:] = self._fill

    def _changes(self) -> Iterator[tuple[npt.NDArray[np.uint16], tuple[slice, slice]]]:
        """What the last transaction changed: views (h, w, 4) of tiles, and where they lie on the surface."""
        # The rectangles that the library reports are no help: there are none if the last dab left no paint.
        for row, column in self._touched:
            left, top = (self._first[0] + column) * TILE, (self._first[1] + row) * TILE
            x0, y0 = max(left, self.x), max(top, self.y)
            x1, y1 = min(left + TILE, self.x + self.width), min(top + TILE, self.y + self.height)
            view = self._tiles[row, column, y0 - top : y1 - top, x0 - left : x1 - left]
            yield view, (slice(y0 - self.y, y1 - self.y), slice(x0 - self.x, x1 - self.x))

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Paint within one of the library's transactions: pixels change when it ends."""
        self._lib.mypaint_tiled_surface2_begin_atomic(self.pointer)
        self._touched.clear()
        self._changed.number = 1
        try:
            yield
        finally:
            self._lib.mypaint_tiled_surface2_end_atomic(self.pointer, byref(self._changed))

    def alpha_into(self, out: npt.NDArray[np.uint16]) -> None:
        """Write the coverage, (height, width), `ONE` for 1, that the last transaction painted into `out`."""
        for tile, place in self._changes():
            out[place] = tile[..., 3]

    def pixels(self) -> Image:
        """The surface as (height, width, 4) float32: red, green and blue times alpha, and alpha, in [0, 1]."""
        rows, columns = self._tiles.shape[:2]
        whole = self._tiles.transpose(0, 2, 1, 3, 4).reshape(rows * TILE, columns * TILE, 4)
        left, top = self.x - self._first[0] * TILE, self.y - self._first[1] * TILE
        return whole[top : top + self.height, left : left + self.width].astype(np.float32) / np.float32(ONE)


def _tile_server(tiles: npt.NDArray[np.uint16], first: tuple[int, int], touched: set[tuple[int, int]]) -> Any:
    """The function with which the library asks for its tiles; it refers to no surface, so that none lives on for it."""
    rows, columns, *_ = tiles.shape
    outside = np.zeros((TILE, TILE, 4), np.uint16)
    base, step = tiles.ctypes.data, tiles.strides[1]

    def start(_surface: int, request: int) -> None:
        wanted = libmypaint.TileRequest.from_address(request)
        row, column = wanted.ty - first[1], wanted.tx - first[0]
        inside = 0 <= row < rows and 0 <= column < columns
        if inside:
            touched.add((row, column))
        wanted.buffer = base + (row * columns + column) * step if inside else outside.ctypes.data

    return libmypaint.TileCallback(start)


class DabRecorder(Surface):
    """A surface that is told of dabs and paints none of them."""

    def __init__(self) -> None:
        super().__init__(0, 0, 1, 1)
        self.dabs: list[tuple[float, ...]] = []
        """x, y and radius in px, opacity, hardness, aspect, and angle in degrees of each, since this was emptied."""

        def draw(_surface: int, *told: float) -> int:
            x, y, radius, _red, _green, _blue, opacity, hardness, _eraser, aspect, angle, *_ = told
            self.dabs.append((x, y, radius, opacity, hardness, aspect, angle))
            return 0

        self._draw = libmypaint.DabCallback(draw)
        words = (ctypes.c_void_p * (libmypaint.DAB_POINTER + 1)).from_address(self.pointer)
        words[libmypaint.DAB_POINTER] = ctypes.cast(self._draw, ctypes.c_void_p)
