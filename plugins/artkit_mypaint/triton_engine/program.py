"""A brush as a constant of the kernels: Triton compiles them for each brush, without what it does not use."""

from __future__ import annotations

import math
import os
from collections import namedtuple
from collections.abc import Iterator, Mapping
from itertools import starmap
from typing import Any, NamedTuple

import triton.language as tl

from artkit_mypaint.engine import brush_program as p
from artkit_mypaint.engine.brush_program import SETTINGS, BrushProgram
from artkit_mypaint.engine.kernels import MAX_DABS
from artkit_mypaint.engine.state import MAX_RADIUS, MIN_RADIUS
from artkit_mypaint.pen_paths import DURATION_SECONDS, EVENT_SECONDS
from artkit_mypaint.stroke_geometry import REFERENCE_SIDE

_MAX_CURVE_TILES = 4.5  # length of the longest curve of an action: control points lie within [-1, 2]
_MAX_NORMAL = 2 * math.sqrt(3)  # the largest normal random number of MyPaint
_MAX_SPEED = 45.0  # px of a reference tile per second: 5.7 tiles in the 49 intervals of a curve, of .2 s each
_MAX_EXPONENT = 20.0
_RANGES = {
    p.PRESSURE: (0.0, 1.0), p.RANDOM: (0.0, 1.0), p.STROKE: (0.0, 1.0), p.DIRECTION: (0.0, 180.0),
    p.TILT_DECLINATION: (0.0, 90.0), p.TILT_DECLINATION_X: (0.0, 90.0), p.TILT_DECLINATION_Y: (0.0, 90.0),
    p.TILT_ASCENSION: (-180.0, 180.0), p.DIRECTION_ANGLE: (0.0, 360.0), p.ATTACK_ANGLE: (-180.0, 180.0),
    p.GRIDMAP_X: (0.0, 256.0), p.GRIDMAP_Y: (0.0, 256.0), p.BARREL_ROTATION: (0.0, 0.0),
}  # fmt: skip
"""The values that inputs of curves take in any stroke of any brush."""

Piece = tuple[float, float, float, float]


class Curve(NamedTuple):
    """A piecewise-linear function of an input: pieces (x0, y0, x1, y1). The first and the last extend to infinity."""

    input: int
    pieces: tuple[Piece, ...]


class Setting(NamedTuple):
    """A base value and curves that add to it. active: whether it can be other than 0."""

    base: float
    curves: tuple[Curve, ...]
    active: bool


class Uses(NamedTuple):
    """What a brush depends on; the kernels compute nothing else."""

    speed1: bool
    speed2: bool
    offset_by_speed: bool
    any_speed: bool
    direction: bool
    custom: bool
    stroke: bool
    gridmap: bool
    offsets: bool
    colour: bool


class SpeedMap(NamedTuple):
    """An input of speed is factor * log(gamma + speed) + offset."""

    gamma: float
    factor: float
    offset: float


_Program = namedtuple("_Program", (*SETTINGS, "uses", "speed1_map", "speed2_map"))  # type: ignore[misc]


def constant_program(program: BrushProgram) -> Any:
    """Return a brush as nested tuples of numbers: a `Setting` of each name, `Uses`, and the maps of two speeds."""
    curves = {int(setting): tuple(_curves(program, first, last)) for setting, first, last in program.curved}
    settings = [
        Setting(float(base), curves.get(index, ()), bool(base) or index in curves)
        for index, base in enumerate(program.base)
    ]
    return _Program._make([*settings, _uses(program.uses), *starmap(SpeedMap, program.speed_maps.tolist())])


def compiled_constants(value: Any) -> Any:
    """Return nested tuples as a constant of compiled kernels.

    Before version 3.9 Triton's compiler accepts a tuple of numbers as the argument of a function only if it is marked
    as a constant, at each level. Triton's interpreter runs kernels as Python, which takes the tuples as they are.
    """
    if os.environ.get("TRITON_INTERPRET") == "1" or not isinstance(value, tuple):
        return value
    items = map(compiled_constants, value)
    return tl.constexpr(type(value)._make(items) if hasattr(value, "_make") else tuple(items))


def _uses(flags: int) -> Uses:
    speeds = p.USES_SPEED1 | p.USES_SPEED2 | p.USES_OFFSET_BY_SPEED
    return Uses(
        speed1=bool(flags & p.USES_SPEED1),
        speed2=bool(flags & p.USES_SPEED2),
        offset_by_speed=bool(flags & p.USES_OFFSET_BY_SPEED),
        any_speed=bool(flags & speeds),
        direction=bool(flags & p.USES_DIRECTION),
        custom=bool(flags & p.USES_CUSTOM),
        stroke=bool(flags & p.USES_STROKE),
        gridmap=bool(flags & p.USES_GRIDMAP),
        offsets=bool(flags & p.USES_OFFSETS),
        colour=bool(flags & p.USES_COLOUR),
    )


def _curves(program: BrushProgram, first: int, last: int) -> Iterator[Curve]:
    for source, begin, count in program.curves[first:last].tolist():
        x, y = program.x[begin : begin + count].tolist(), program.y[begin : begin + count].tolist()
        yield Curve(source, tuple(zip(x[:-1], y[:-1], x[1:], y[1:], strict=True)))


def max_dabs(program: Any, radius_offset: float, min_log_radius: float, max_log_radius: float, zoom: float) -> int:
    """Return a number of dabs that no stroke of a brush exceeds, at most `MAX_DABS`; see `is_bounded`.

    program: from `constant_program`. radius_offset: `Brush.max_radius_offset`. min_log_radius, max_log_radius:
    logarithms of the radii of the strokes in px. zoom: px per px of a reference tile. A dab is drawn whenever the way
    and the time since the last one amount to 1, weighed by densities that lie in known ranges.
    """
    low_base, high_base = min_log_radius - radius_offset, max_log_radius - radius_offset
    largest_noise = _MAX_NORMAL * _exp(high_base) * max(program.tracking_noise.base, 0.0)
    ranges = _input_ranges(program, low_base, high_base, zoom, _MAX_SPEED + 20 * largest_noise / zoom)

    def most(setting: Setting) -> float:
        return max(_setting_range(setting, ranges)[1], setting.base, 0.0)

    least_change = _setting_range(program.radius_logarithmic, ranges)[0] - program.radius_logarithmic.base
    ratio = max(most(program.elliptical_dab_ratio), 1.0)
    length = _MAX_CURVE_TILES * REFERENCE_SIDE * zoom + 4 * len(EVENT_SECONDS) * largest_noise
    counts = []
    for base in (low_base, high_base):
        radius, base_radius = _clamped_exp(base + least_change), _clamped_exp(base)
        per_px = most(program.dabs_per_actual_radius) / radius + most(program.dabs_per_basic_radius) / base_radius
        counts.append(length * ratio * per_px + 2 * DURATION_SECONDS * most(program.dabs_per_second))
    return int(min(max(counts) + 2, MAX_DABS))


def is_bounded(program: Any) -> bool:
    """Whether `max_dabs` holds for certain: the custom input, which may feed itself, does not decide on the number."""
    deciding = (
        program.radius_logarithmic,
        program.elliptical_dab_ratio,
        program.dabs_per_actual_radius,
        program.dabs_per_basic_radius,
        program.dabs_per_second,
    )
    by_custom = p.CUSTOM in {curve.input for setting in deciding for curve in setting.curves}
    return not (by_custom and p.CUSTOM in {curve.input for curve in program.custom_input.curves})


def _input_ranges(
    program: Any, low_base: float, high_base: float, zoom: float, max_speed: float
) -> dict[int, tuple[float, float]]:
    """The values that the inputs of a brush's curves take. The bases are those of ``radius_logarithmic``."""
    ranges = _RANGES | {
        p.PRESSURE: (0.0, _exp(program.pressure_gain_log.base)),
        p.BRUSH_RADIUS: (low_base, high_base),
        p.VIEWZOOM: (math.log(zoom) - 1e-3, math.log(zoom) + 1e-3),
    }
    for source, (gamma, factor, offset) in zip(
        (p.SPEED1, p.SPEED2), (program.speed1_map, program.speed2_map), strict=True
    ):
        low, high = (math.log(max(gamma + speed, 1e-30)) * factor + offset for speed in (0.0, max_speed))
        ranges[source] = (min(low, high), max(low, high))
    ranges[p.CUSTOM] = (-1.0, 1.0)
    low, high = _setting_range(program.custom_input, ranges)
    ranges[p.CUSTOM] = (min(low, 0.0), max(high, 0.0))  # it follows the setting, from 0
    return ranges


def _setting_range(setting: Setting, ranges: Mapping[int, tuple[float, float]]) -> tuple[float, float]:
    low, high = setting.base, setting.base
    for curve in setting.curves:
        least, most = _range(curve, ranges)
        low, high = low + least, high + most
    return low, high


def _exp(value: float) -> float:
    return math.exp(min(value, _MAX_EXPONENT))


def _clamped_exp(log_radius: float) -> float:
    return min(max(_exp(log_radius), float(MIN_RADIUS)), float(MAX_RADIUS))


def _range(curve: Curve, ranges: Mapping[int, tuple[float, float]]) -> tuple[float, float]:
    """The least and the largest value of a curve where its input lies in the range of that input."""
    low, high = ranges[curve.input]
    corners = {low, high, *(x for x0, _, x1, _ in curve.pieces for x in (x0, x1) if low < x < high)}
    values = [value for x in corners for value in _values(curve, x)]
    return min(values), max(values)


def _values(curve: Curve, x: float) -> Iterator[float]:
    """The values that a curve has at x and beside it: a vertical piece has two."""
    last = len(curve.pieces) - 1
    for index, (x0, y0, x1, y1) in enumerate(curve.pieces):
        if (x0 <= x or index == 0) and (x <= x1 or index == last):
            yield y0 if x0 == x1 or y0 == y1 else (y1 * (x - x0) + y0 * (x1 - x)) / (x1 - x0)
