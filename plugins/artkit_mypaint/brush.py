"""A brush of libmypaint and the calls that paint one stroke with it. Without torch, so that workers start quickly.

The randomness of a stroke depends only on its seed, and its points are in px of the picture: the same strokes give the
same pixels in any window, order or process.
"""

from __future__ import annotations

import colorsys
import json
import math
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from artkit import UsageError
from artkit_mypaint import libmypaint
from artkit_mypaint.brush_files import find_brush
from artkit_mypaint.brush_settings import (
    VISIBLE_RADIUS_STD,
    check_settings,
    dab_settings,
    pressure_radius_curve,
    setting_by_pressure,
)
from artkit_mypaint.libmypaint import TILE, MyPaintMissing
from artkit_mypaint.pen_paths import EVENT_SECONDS, POINTS, RESET_SECONDS, PenPaths
from artkit_mypaint.surface import Surface

MIN_SOFTNESS_PX = 0.5
"""Minimum width in px over which the edge of a dab fades, however thin the stroke is."""

_BEYOND_COVERAGE = (
    "smudge", "eraser", "lock_alpha", "colorize", "posterize", "paint_mode", "restore_color",
    "change_color_h", "change_color_l", "change_color_v", "change_color_hsl_s", "change_color_hsv_s",
)  # fmt: skip
"""Settings with which a brush picks up paint, erases it, or changes its colour within a stroke."""


class Brush:
    """A brush, loaded by libmypaint. Not thread-safe.

    name: a name such as ``classic/dry_brush``, or the path of a ``.myb`` file. Raises MyPaintMissing if libmypaint or
    all brushes are missing, and UsageError if this brush is missing or invalid.

    pressure_radius_curve: ratio of the radius to the largest radius by pressure, as
    `stroke_geometry.radius_at_pressure` takes it.
    max_radius_offset: the most that pressure adds to the logarithm of the base radius. It is subtracted when a stroke
    is painted, so that the size of an action is the largest radius of its stroke.
    min_radius_ratio: smallest radius divided by largest radius.
    softness: minimum width in px over which the edge of a dab fades (MyPaint's setting ``anti_aliasing``).
    dab_settings: hardness, radius deviation and opacity of the dabs.
    stochastic: whether two samples of one action look different, because dabs are displaced or resized at random.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._lib = lib = libmypaint.library()
        path = find_brush(name)
        text, settings = _read_brush_file(path)
        self.pointer: int = lib.mypaint_brush_new()
        if not lib.mypaint_brush_from_string(self.pointer, text.encode()):
            raise UsageError(f"libmypaint cannot read the brush {path}")
        if "paint_mode" not in settings:
            # The default of libmypaint is spectral mixing. Brushes older than MyPaint 1.6 were made for mixing that is
            # linear in the colour, with which a stroke is exactly its coverage times its colour.
            self._set_base_value("paint_mode", 0.0)
        self.pressure_radius_curve, self.max_radius_offset = pressure_radius_curve(settings)
        self.min_radius_ratio = math.exp(min(self.pressure_radius_curve, default=0.0))
        self.softness = float(lib.mypaint_brush_get_base_value(self.pointer, _setting_id("anti_aliasing")))
        self.dab_settings = dab_settings(settings)
        displaced = setting_by_pressure(settings, "offset_by_random").max() > 0
        self.stochastic = bool(displaced or self.dab_settings.log_radius_std > VISIBLE_RADIUS_STD)
        self._generator = libmypaint.generator(self.pointer)
        self._warm_up()

    def __del__(self) -> None:
        if pointer := getattr(self, "pointer", None):
            self._lib.mypaint_brush_unref(pointer)

    @cached_property
    def unsupported_setting(self) -> str | None:
        """Name of a setting with which strokes are more than a coverage times one colour, or None."""
        return next((name for name in _BEYOND_COVERAGE if self._uses(name)), None)

    def require_coverage_only(self) -> None:
        """Raise UsageError if the brush's strokes are more than a coverage times one colour."""
        if setting := self.unsupported_setting:
            raise UsageError(
                f'the brush "{self.name}" uses {setting}: its strokes are more than one colour on the canvas',
                hint="choose a brush without smudging or colour dynamics",
            )

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
        log_radius = float(paths.log_radius[index])
        self._set_base_value("radius_logarithmic", log_radius - self.max_radius_offset)
        # MyPaint omits dabs that are smaller than the width over which their edge fades, so that small strokes of some
        # brushes would disappear. Therefore that width is limited to the smallest radius of the stroke.
        min_radius = math.exp(log_radius) * self.min_radius_ratio
        self._set_base_value("anti_aliasing", min(self.softness, max(MIN_SOFTNESS_PX, min_radius)))

    def _warm_up(self) -> None:
        """Paint one stroke: a new brush holds uninitialised values, which a stroke overwrites."""
        line = np.full((1, POINTS + 2, 3), 0.5)
        line[..., 0] = np.linspace(10, 50, POINTS + 2)
        paths = PenPaths(line, np.ones(1), np.zeros((1, 3)), np.zeros(1, np.int64), 1.0)
        self.paint_stroke(Surface(0, 0, TILE, TILE), paths, 0)

    def _set_base_value(self, name: str, value: float) -> None:
        self._lib.mypaint_brush_set_base_value(self.pointer, _setting_id(name), value)

    def _uses(self, name: str) -> bool:
        """Whether a setting has an effect: a base value other than 0, or a curve over an input."""
        base = self._lib.mypaint_brush_get_base_value(self.pointer, _setting_id(name))
        return bool(base or self._lib.mypaint_brush_get_inputs_used_n(self.pointer, _setting_id(name)))


def _read_brush_file(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of a brush file and its checked settings."""
    try:
        text = path.read_text(encoding="utf-8")
        settings = json.loads(text)["settings"]
        check_settings(settings)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise UsageError(f"{path} is not a MyPaint brush of version 3: {error}") from None
    return text, settings


@cache
def _setting_id(name: str) -> int:
    number = int(libmypaint.library().mypaint_brush_setting_from_cname(name.encode()))
    if number < 0:
        raise MyPaintMissing(f'this libmypaint has no brush setting "{name}"', hint="install libmypaint 1.6 or newer")
    return number
