"""Surfaces on which libmypaint paints: pixels in memory, or a recorder of dabs."""

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
    """A rectangle of pixels on an unbounded canvas. Paint outside the rectangle is discarded.

    x, y, width, height: of the rectangle, px. background: RGB in [0, 1], or None for transparent.
    """

    def __init__(
        self, x: int, y: int, width: int, height: int, background: Sequence[float] | None = (1.0, 1.0, 1.0)
    ) -> None:
        self._lib = libmypaint.library()
        self.x, self.y, self.width, self.height = x, y, width, height
        self._first_tile = (x // TILE, y // TILE)
        columns = (x + width - 1) // TILE - self._first_tile[0] + 1
        rows = (y + height - 1) // TILE - self._first_tile[1] + 1
        fill = (0, 0, 0, 0) if background is None else tuple(round(c * ONE) for c in (*background, 1.0))
        self._fill = np.array(fill, np.uint16)
        self._tiles = np.empty((rows, columns, TILE, TILE, 4), np.uint16)
        self._tiles[:] = self._fill
        self._memory = ctypes.create_string_buffer(libmypaint.SURFACE_BYTES)
        self.pointer = ctypes.addressof(self._memory)
        self._touched: set[tuple[int, int]] = set()
        start = _tile_request_callback(self._tiles, self._first_tile, self._touched)
        self._callbacks = (start, libmypaint.TileCallback(lambda *_: None))
        self._lib.mypaint_tiled_surface2_init(self.pointer, *self._callbacks)
        self._changed = libmypaint.Rectangles(1, ctypes.pointer(libmypaint.Rectangle()))

    def __del__(self) -> None:
        if getattr(self, "_changed", None):
            self._lib.mypaint_tiled_surface2_destroy(self.pointer)

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Paint within a transaction of libmypaint. The pixels change when it ends."""
        self._lib.mypaint_tiled_surface2_begin_atomic(self.pointer)
        self._touched.clear()
        self._changed.number = 1
        try:
            yield
        finally:
            self._lib.mypaint_tiled_surface2_end_atomic(self.pointer, byref(self._changed))

    def clear(self) -> None:
        """Reset the tiles that the last transaction painted on to the background."""
        for pixels, _ in self._touched_pixels():
            pixels[:] = self._fill

    def write_coverage(self, out: npt.NDArray[np.uint16]) -> None:
        """Write the alpha of the tiles that the last transaction painted on to `out` (height, width); `ONE` is 1."""
        for pixels, place in self._touched_pixels():
            out[place] = pixels[..., 3]

    def pixels(self) -> Image:
        """Return the surface as (height, width, 4) float32: RGB premultiplied by alpha, and alpha, in [0, 1]."""
        rows, columns = self._tiles.shape[:2]
        pixels = self._tiles.transpose(0, 2, 1, 3, 4).reshape(rows * TILE, columns * TILE, 4)
        left, top = self.x - self._first_tile[0] * TILE, self.y - self._first_tile[1] * TILE
        return pixels[top : top + self.height, left : left + self.width].astype(np.float32) / np.float32(ONE)

    def _touched_pixels(self) -> Iterator[tuple[npt.NDArray[np.uint16], tuple[slice, slice]]]:
        """Yield views (h, w, 4) of the tiles that the last transaction requested, and their place on the surface."""
        # libmypaint also reports changed rectangles, but reports none if the last dab left no paint.
        for row, column in self._touched:
            left, top = (self._first_tile[0] + column) * TILE, (self._first_tile[1] + row) * TILE
            x0, y0 = max(left, self.x), max(top, self.y)
            x1, y1 = min(left + TILE, self.x + self.width), min(top + TILE, self.y + self.height)
            view = self._tiles[row, column, y0 - top : y1 - top, x0 - left : x1 - left]
            yield view, (slice(y0 - self.y, y1 - self.y), slice(x0 - self.x, x1 - self.x))


def _tile_request_callback(
    tiles: npt.NDArray[np.uint16], first_tile: tuple[int, int], touched: set[tuple[int, int]]
) -> Any:
    """Return the callback with which libmypaint requests a tile. It holds no reference to the surface, to avoid a cycle
    that would keep the surface alive.
    """
    rows, columns, *_ = tiles.shape
    outside = np.zeros((TILE, TILE, 4), np.uint16)
    address, tile_bytes = tiles.ctypes.data, tiles.strides[1]

    def start(_surface: int, request_address: int) -> None:
        request = libmypaint.TileRequest.from_address(request_address)
        row, column = request.ty - first_tile[1], request.tx - first_tile[0]
        inside = 0 <= row < rows and 0 <= column < columns
        if inside:
            touched.add((row, column))
        request.buffer = address + (row * columns + column) * tile_bytes if inside else outside.ctypes.data

    return libmypaint.TileCallback(start)


class DabRecorder(Surface):
    """Surface that records dabs instead of drawing them."""

    def __init__(self) -> None:
        super().__init__(0, 0, 1, 1)
        self.dabs: list[tuple[float, ...]] = []
        """x, y and radius in px, opacity, hardness, aspect ratio, and angle in degrees of each recorded dab."""

        def draw(_surface: int, *arguments: float) -> int:
            x, y, radius, _red, _green, _blue, opacity, hardness, _eraser, aspect, angle, *_ = arguments
            self.dabs.append((x, y, radius, opacity, hardness, aspect, angle))
            return 0

        self._draw = libmypaint.DabCallback(draw)
        words = (ctypes.c_void_p * (libmypaint.DRAW_DAB_WORD + 1)).from_address(self.pointer)
        words[libmypaint.DRAW_DAB_WORD] = ctypes.cast(self._draw, ctypes.c_void_p)
