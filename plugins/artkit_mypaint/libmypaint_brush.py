"""A brush that libmypaint has loaded, and the calls that paint one stroke with it. Without torch, so that workers start
quickly.

The randomness of a stroke depends only on its seed, and its points are in px of the picture: the same strokes give the
same pixels in any window, order or process.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from functools import cache

import numpy as np

from artkit import UsageError
from artkit_mypaint import libmypaint
from artkit_mypaint.brush import Brush
from artkit_mypaint.libmypaint import TILE, MyPaintMissing
from artkit_mypaint.pen_paths import EVENT_SECONDS, POINTS, RESET_SECONDS, PenPaths
from artkit_mypaint.surface import Surface


class LibMyPaintBrush(Brush):
    """A brush, loaded by libmypaint. Not thread-safe.

    Raises MyPaintMissing if libmypaint is missing, and UsageError if this brush is missing or invalid.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._lib = lib = libmypaint.library()
        self.pointer: int = lib.mypaint_brush_new()
        if not lib.mypaint_brush_from_string(self.pointer, self.text.encode()):
            raise UsageError(f"libmypaint cannot read the brush {self.file}")
        if "paint_mode" not in self.settings:
            # The default of libmypaint is spectral mixing. Brushes older than MyPaint 1.6 were made for mixing that is
            # linear in the colour, with which a stroke is exactly its coverage times its colour.
            self._set_base_value("paint_mode", 0.0)
        self._generator = libmypaint.generator(self.pointer)
        self._warm_up()

    def __del__(self) -> None:
        if pointer := getattr(self, "pointer", None):
            self._lib.mypaint_brush_unref(pointer)

    def paint_stroke(self, surface: Surface, paths: PenPaths, index: int, coloured: bool = True) -> None:
        """Paint stroke `index` of `paths` on a surface, in one transaction; in black if not `coloured`."""
        with surface.atomic():
            for _ in self.stroke_events(surface, paths, index, coloured):
                pass

    def stroke_events(self, surface: Surface, paths: PenPaths, index: int, coloured: bool = True) -> Iterator[int]:
        """Paint stroke `index` of `paths` event by event, and yield the index of each event when it is painted."""
        lib, brush, target = self._lib, self.pointer, surface.pointer
        stroke_to = lib.mypaint_brush_stroke_to_2
        self._set_colour_and_radius(paths, index, coloured)
        lib.rng_double_set_seed(self._generator, int(paths.seeds[index]))
        lib.mypaint_brush_new_stroke(brush)
        zoom = 1 / paths.zoom
        events = paths.points[index].tolist()
        # A reset moves the pen to the start by adding the difference to its last position, which rounds. From the start
        # itself there is no rounding: after a second reset nothing of the stroke before remains.
        x, y, pressure = events[0]
        lib.mypaint_brush_reset(brush)
        stroke_to(brush, target, x, y, pressure, 0.0, 0.0, RESET_SECONDS, zoom, 0.0, 0.0)
        lib.mypaint_brush_reset(brush)
        for event, ((x, y, pressure), seconds) in enumerate(zip(events, EVENT_SECONDS, strict=True)):
            stroke_to(brush, target, x, y, pressure, 0.0, 0.0, seconds, zoom, 0.0, 0.0)
            yield event

    def _set_colour_and_radius(self, paths: PenPaths, index: int, coloured: bool) -> None:
        hsv = colorsys.rgb_to_hsv(*paths.colours[index].tolist()) if coloured else (0.0, 0.0, 0.0)
        for name, value in zip(("color_h", "color_s", "color_v"), hsv, strict=True):
            self._set_base_value(name, value)
        log_radius, softness = self.base_values(paths.log_radius[index])
        self._set_base_value("radius_logarithmic", float(log_radius))
        self._set_base_value("anti_aliasing", float(softness))

    def _warm_up(self) -> None:
        """Paint one stroke: a new brush holds uninitialised values, which a stroke overwrites."""
        line = np.full((1, POINTS + 2, 3), 0.5)
        line[..., 0] = np.linspace(10, 50, POINTS + 2)
        paths = PenPaths(line, np.ones(1), np.zeros((1, 3)), np.zeros(1, np.int64), 1.0)
        self.paint_stroke(Surface(0, 0, TILE, TILE), paths, 0)

    def _set_base_value(self, name: str, value: float) -> None:
        self._lib.mypaint_brush_set_base_value(self.pointer, _setting_id(name), value)


@cache
def _setting_id(name: str) -> int:
    number = int(libmypaint.library().mypaint_brush_setting_from_cname(name.encode()))
    if number < 0:
        raise MyPaintMissing(f'this libmypaint has no brush setting "{name}"', hint="install libmypaint 1.6 or newer")
    return number
