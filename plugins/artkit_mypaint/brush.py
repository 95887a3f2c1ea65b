"""The real MyPaint: brushes, surfaces, and strokes painted with them. Without torch, so that workers start quickly.

A stroke's randomness is a function of the seed and of the stroke's number, and its points are given in the picture's
own pixels, so the same strokes give the same pixels in any window, order or process.
"""

from __future__ import annotations

import colorsys
import json
import math
from collections.abc import Iterator
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from artkit import UsageError
from artkit_mypaint import libmypaint
from artkit_mypaint.brush_files import find_brush
from artkit_mypaint.brush_settings import (
    VISIBLE_RADIUS_STD,
    check_settings,
    dab_shape,
    pressure_radius_curve,
    setting_by_pressure,
)
from artkit_mypaint.libmypaint import TILE, MyPaintMissing
from artkit_mypaint.pen_paths import EVENT_SECONDS, POINTS, RESET_SECONDS, PenPaths
from artkit_mypaint.surface import DabRecorder, Surface

MIN_SOFTNESS_PX = 0.5
"""Pixels over which the edge of a dab fades at least, however thin the stroke is."""


class Brush:
    """A brush of MyPaint's, ready to paint. One thread at a time.

    swell: how pressure changes its radius, as `stroke.swollen` takes it. broadest: the most that pressure adds to the
    logarithm of its radius. A stroke's size is its radius at its broadest, so that no brush outgrows its tile.
    thinnest: its least radius over its broadest. softness: px over which the edge of a dab fades at least.
    dab: its dabs, as `scattering.Dab` takes them; hardness and deviation are those at half the pressure. by_chance:
    whether two strokes of one action differ to the eye: chance moves its dabs, or changes their radius by much.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._lib = lib = libmypaint.library()
        path = find_brush(name)
        try:
            text = path.read_text(encoding="utf-8")
            settings = json.loads(text)["settings"]
            check_settings(settings)
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise UsageError(f"{path} is not a MyPaint brush of version 3: {error}") from None
        self.pointer: int = lib.mypaint_brush_new()
        if not lib.mypaint_brush_from_string(self.pointer, text.encode()):
            raise UsageError(f"{path} is not a brush that this libmypaint reads")
        if "paint_mode" not in settings:
            # Brushes of before 1.6 mix as MyPaint did then: linear in the colour, which is what makes the
            # colour of a stroke analytic. The library's default would be spectral mixing.
            self.set("paint_mode", 0.0)
        self.pressure_radius_curve, self.max_radius_offset = pressure_radius_curve(settings)
        self.min_radius_ratio = math.exp(min(self.pressure_radius_curve, default=0.0))
        self.softness = float(lib.mypaint_brush_get_base_value(self.pointer, _setting_id("anti_aliasing")))
        self.dab_shape = dab_shape(settings)
        moved = setting_by_pressure(settings, "offset_by_random").max() > 0
        self.stochastic = bool(moved or self.dab_shape[1] > VISIBLE_RADIUS_STD)
        self._rng = libmypaint.generator(self.pointer)
        # A new brush holds values that nothing has set yet; after one stroke the next depends on its seed alone.
        line = np.full((1, POINTS + 2, 3), 0.5)
        line[..., 0] = np.linspace(10, 50, POINTS + 2)
        warm_up = PenPaths(line, np.ones(1), np.zeros((1, 3)), np.zeros(1, np.int64), 1.0)
        paint_strokes(self, Surface(0, 0, TILE, TILE), warm_up)

    def __del__(self) -> None:
        if pointer := getattr(self, "pointer", None):
            self._lib.mypaint_brush_unref(pointer)

    def setting(self, name: str) -> int:
        """The library's id of a setting."""
        return _setting_id(name)

    def set(self, name: str, value: float) -> None:
        """Set the base value of a setting, named as in a ``.myb`` file."""
        self._lib.mypaint_brush_set_base_value(self.pointer, _setting_id(name), value)

    def uses(self, name: str) -> bool:
        """Whether a setting has any effect: a base value other than 0, or dynamics."""
        base = self._lib.mypaint_brush_get_base_value(self.pointer, _setting_id(name))
        return bool(base or self._lib.mypaint_brush_get_inputs_used_n(self.pointer, _setting_id(name)))

    @cached_property
    def unsupported_setting(self) -> str | None:
        """The setting for which this brush's strokes are more than a coverage times one colour, or None.

        Such a brush takes paint up from the canvas, erases it or changes its colour on the way.
        """
        return next((name for name in _BEYOND_COVERAGE if self.uses(name)), None)

    def require_coverage_only(self) -> None:
        """Raises UsageError for a brush whose strokes are more than a coverage times one colour."""
        if setting := self.unsupported_setting:
            raise UsageError(
                f'the brush "{self.name}" uses {setting}: its strokes are more than a colour laid on the canvas',
                hint="choose a brush without smudging or colour dynamics",
            )

    def reseed(self, seed: int) -> None:
        """Start the brush's random numbers anew."""
        self._lib.rng_double_set_seed(self._rng, seed)


_BEYOND_COVERAGE = (
    "smudge", "eraser", "lock_alpha", "colorize", "posterize", "paint_mode", "restore_color",
    "change_color_h", "change_color_l", "change_color_v", "change_color_hsl_s", "change_color_hsv_s",
)  # fmt: skip


@cache
def _setting_id(name: str) -> int:
    number = int(libmypaint.library().mypaint_brush_setting_from_cname(name.encode()))
    if number < 0:
        raise MyPaintMissing(f'this libmypaint has no brush setting "{name}"', hint="install libmypaint 1.6 or newer")
    return number


def paint_strokes(brush: Brush, surface: Surface, traces: PenPaths, coloured: bool = True) -> None:
    """Paint strokes on a surface, one over the other in their order; in black if not `coloured`."""
    for index in range(len(traces)):
        with surface.atomic():
            _paint_stroke(brush, surface, traces, index, coloured)


def _paint_stroke(brush: Brush, surface: Surface, traces: PenPaths, index: int, coloured: bool) -> None:
    for _ in _events(brush, surface, traces, index, coloured):
        pass


def _events(brush: Brush, surface: Surface, traces: PenPaths, index: int, coloured: bool) -> Iterator[int]:
    """Paint a stroke event by event; yields the number of each when it is done."""
    lib, pen, ground = brush._lib, brush.pointer, surface.pointer
    set_base, stroke_to = lib.mypaint_brush_set_base_value, lib.mypaint_brush_stroke_to_2
    hue_saturation_value = colorsys.rgb_to_hsv(*traces.colours[index].tolist()) if coloured else (0.0, 0.0, 0.0)
    for name, value in zip(("color_h", "color_s", "color_v"), hue_saturation_value, strict=True):
        set_base(pen, _setting_id(name), value)
    set_base(pen, _setting_id("radius_logarithmic"), float(traces.log_radius[index]) - brush.max_radius_offset)
    # MyPaint leaves a dab out in which the fading of its edge has no room: small strokes of some brushes would leave
    # nothing, although enlarged they do. So an edge is never softer than the stroke is thin.
    thin = math.exp(float(traces.log_radius[index])) * brush.min_radius_ratio
    set_base(pen, _setting_id("anti_aliasing"), min(brush.softness, max(MIN_SOFTNESS_PX, thin)))
    brush.reseed(int(traces.seeds[index]))
    lib.mypaint_brush_new_stroke(pen)
    zoom = 1 / traces.zoom
    events = traces.points[index].tolist()
    # A reset moves the pen to the start by adding the way there to where it was, which rounds; from the start itself
    # it does not. So the pen is reset twice, and nothing of the stroke before remains.
    x, y, press = events[0]
    lib.mypaint_brush_reset(pen)
    stroke_to(pen, ground, x, y, press, 0.0, 0.0, RESET_SECONDS, zoom, 0.0, 0.0)
    lib.mypaint_brush_reset(pen)
    for number, ((x, y, press), seconds) in enumerate(zip(events, EVENT_SECONDS, strict=True)):
        stroke_to(pen, ground, x, y, press, 0.0, 0.0, seconds, zoom, 0.0, 0.0)
        yield number


def dabs_of_strokes(brush: Brush, traces: PenPaths) -> npt.NDArray[np.float64]:
    """The dabs that a brush lays for m strokes, in their order: (k, 9). The number of the stroke and of the event after
    which a dab is laid; x, y and radius in px; opacity; hardness, below 0 if its edge has no room to fade, and then
    there is no dab; aspect, and angle in degrees.

    Raises EngineMissing if this build of the library does not tell of its dabs.
    """
    listener, found = DabRecorder(), []
    for index in range(len(traces)):
        for event in _events(brush, listener, traces, index, coloured=False):
            found += [(index, event, *dab) for dab in listener.dabs]
            listener.dabs.clear()
    if len(traces) and not found:
        raise MyPaintMissing("this build of libmypaint does not tell of its dabs", hint="install libmypaint 1.6")
    return np.array(found, np.float64).reshape(-1, 9)


def paint_coverages(
    brush: Brush, traces: PenPaths, corners: npt.NDArray[np.int64], width: int, height: int
) -> npt.NDArray[np.uint16]:
    """Paint each of m strokes on a sheet of its own.

    corners (m, 2): x and y in px of each sheet -> coverages (m, height, width), `ONE` for 1.
    """
    out = np.zeros((len(traces), height, width), np.uint16)
    sheets: dict[tuple[int, int], Surface] = {}
    for index in range(len(traces)):
        x, y = (int(c) for c in corners[index])
        surface = sheets.get((x, y)) or sheets.setdefault((x, y), Surface(x, y, width, height, None))
        with surface.atomic():
            _paint_stroke(brush, surface, traces, index, coloured=False)
        surface.alpha_into(out[index])
        surface.clear()
    return out
