"""The dynamics of MyPaint's brush engine: from pen events to dabs, compiled with numba.

Between two pen events the brush advances dab by dab. In each step it interpolates position, pressure and time, updates
its filters, evaluates its settings, and draws a dab (docs/mypaint.md has the recurrence). The arithmetic follows
libmypaint 1.6 operation by operation, including where it rounds to single precision: brushes with narrow, turning dabs
amplify a difference in the last digit until dabs differ in number.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from artkit_mypaint.engine import brush_program as p
from artkit_mypaint.engine.brush_program import BrushProgram
from artkit_mypaint.engine.random_numbers import gaussian, seed_generator, uniform

DAB_X, DAB_Y, DAB_RADIUS, DAB_OPACITY, DAB_HARDNESS, DAB_RATIO, DAB_ANGLE, DAB_TIME, DAB_PRESSURE = range(9)
DAB_SIZE = 9
"""Values of a dab: centre and radius in px, opacity, hardness, aspect ratio, angle in degrees; the pen event at which it
is drawn, with a fraction of the way from the event before; and the pressure there."""

# The state of a brush, by index.
(X, Y, PRESSURE, ACTUAL_X, ACTUAL_Y, ACTUAL_RADIUS, RATIO, ANGLE, PARTIAL_DABS, BASIC_DENSITY, ACTUAL_DENSITY,
 TIME_DENSITY, SPEED1, SPEED2, SPEED_X, SPEED_Y, DIRECTION_X, DIRECTION_Y, DIRECTION360_X, DIRECTION360_Y, CUSTOM,
 STROKE, STARTED, DECLINATION, ASCENSION, DECLINATION_X, DECLINATION_Y, FLIP, RANDOM, SKIP, SKIP_X, SKIP_Y,
 SKIPPED_TIME) = range(33)  # fmt: skip
STATE_SIZE = 33

MEMORY_SHAPE = (4, max(STATE_SIZE, len(p.SETTINGS)))
"""Of the working memory of `stroke_dabs`: state, base values, values of settings, inputs."""

_Floats = npt.NDArray[np.float32]

f32, f64 = np.float32, np.float64
_0, _HALF, _1, _2 = f32(0), f32(0.5), f32(1), f32(2)
_90, _180, _360 = f32(90), f32(180), f32(360)
_MIN_RADIUS, _MAX_RADIUS = f32(0.2), f32(1000)
_MAX_OFFSET_PX = f32(3240)
_GRID_SIZE = f32(256)
_FLOAT_MAX = f32(3.4e38)
_RESET_SECONDS = 5.0  # after a longer pause the brush starts anew
_SUDDEN_SECONDS = 0.1  # after a longer time without pressure, pressure is not interpolated
_TWO_PI = 2 * math.pi


# ------------------------------------------------------------------------------------------------------- arithmetic
@njit(inline="always")
def _decay(time_constant: Any, time: Any) -> Any:
    """Return what is left of a value after a time."""
    return _0 if time_constant <= f32(0.001) else f32(math.exp(-time / time_constant))


@njit(inline="always")
def _mod(a: Any, n: Any) -> Any:
    return f32(a - n * f32(math.floor(a / n)))


@njit(inline="always")
def _angle_difference(a: Any, b: Any) -> Any:
    difference = _mod(b - a + _180, _360) - _180
    if difference > _180:
        return difference - _360
    return difference + _360 if difference < -_180 else difference


@njit(inline="always")
def _clamp(value: Any, low: Any, high: Any) -> Any:
    return min(max(value, low), high)


@njit(inline="always")
def _degrees(y: Any, x: Any) -> Any:
    return f64(f32(math.atan2(y, x))) / _TWO_PI * 360.0


@njit(inline="always")
def _cos_sin_of_degrees(angle: Any) -> Any:
    radians = f64(f32(f64(angle) * math.pi / 180.0))
    return f32(math.cos(radians)), f32(math.sin(radians))


# --------------------------------------------------------------------------------------------------------- settings
@njit(inline="always")
def evaluate_settings(program: BrushProgram, base: _Floats, inputs: _Floats, values: _Floats) -> None:
    """Compute the settings with curves: base value plus a piecewise-linear function of each input.

    The first and last pieces extend to infinity. A piece whose ends have equal x or equal y has the y of its start.
    """
    for k in range(program.curved.shape[0]):
        setting = program.curved[k, 0]
        value = base[setting]
        for c in range(program.curved[k, 1], program.curved[k, 2]):
            at = inputs[program.curves[c, 0]]
            point = program.curves[c, 1] + 1
            last = program.curves[c, 1] + program.curves[c, 2] - 1
            while point < last and at > program.x[point]:
                point += 1
            x0, y0, x1, y1 = program.x[point - 1], program.y[point - 1], program.x[point], program.y[point]
            value += y0 if x0 == x1 or y0 == y1 else (y1 * (at - x0) + y0 * (x1 - at)) / (x1 - x0)
        values[setting] = value


@njit(inline="always")
def _update_inputs(
    program: BrushProgram, s: _Floats, base: _Floats, values: _Floats, inputs: _Floats, gain: Any, origin: Any
) -> None:
    """Compute the inputs of curves from the state, before its filters are updated."""
    uses = program.uses
    inputs[p.PRESSURE] = s[PRESSURE] * gain
    if uses & p.USES_SPEED1:
        inputs[p.SPEED1] = _map_speed(program.speed_maps[0], s[SPEED1])
    if uses & p.USES_SPEED2:
        inputs[p.SPEED2] = _map_speed(program.speed_maps[1], s[SPEED2])
    inputs[p.RANDOM] = s[RANDOM]
    inputs[p.STROKE] = min(s[STROKE], _1)
    if uses & p.USES_DIRECTION:
        inputs[p.DIRECTION] = _mod(f32(_degrees(s[DIRECTION_Y], s[DIRECTION_X]) + 180.0), _180)
        degrees = _degrees(s[DIRECTION360_Y], s[DIRECTION360_X])
        inputs[p.DIRECTION_ANGLE] = np.fmod(f32(degrees + 360.0), _360)
        inputs[p.ATTACK_ANGLE] = _angle_difference(s[ASCENSION], _mod(f32(degrees + 90.0), _360))
    inputs[p.TILT_DECLINATION] = s[DECLINATION]
    inputs[p.TILT_ASCENSION] = _mod(s[ASCENSION] + _180, _360) - _180
    inputs[p.TILT_DECLINATION_X], inputs[p.TILT_DECLINATION_Y] = s[DECLINATION_X], s[DECLINATION_Y]
    inputs[p.CUSTOM] = s[CUSTOM]
    if uses & p.USES_GRIDMAP:
        size = f32(math.exp(values[p.GRIDMAP_SCALE])) * _GRID_SIZE
        x, y = s[ACTUAL_X] + f32(origin[0]), s[ACTUAL_Y] + f32(origin[1])
        inputs[p.GRIDMAP_X] = _grid_position(x, values[p.GRIDMAP_SCALE_X], size)
        inputs[p.GRIDMAP_Y] = _grid_position(y, values[p.GRIDMAP_SCALE_Y], size)


@njit(inline="always")
def _map_speed(speed_map: _Floats, speed: Any) -> Any:
    return f32(math.log(f64(speed_map[0] + speed)) * f64(speed_map[1]) + f64(speed_map[2]))


@njit(inline="always")
def _grid_position(position: Any, scale: Any, size: Any) -> Any:
    within = _mod(f32(abs(position * scale)), size) / size * _GRID_SIZE
    return _clamp(_GRID_SIZE - within if position < _0 else within, _0, _GRID_SIZE)


# ---------------------------------------------------------------------------------------------------------- filters
@njit(inline="always")
def _update_filters(
    uses: int, s: _Floats, values: _Floats, dx: Any, dy: Any, seconds: Any, zoom: Any, base_radius: Any
) -> None:
    """Advance the filters of speed, direction, custom input and stroke by a step of (dx, dy) px."""
    if uses & (p.USES_SPEED1 | p.USES_SPEED2 | p.USES_OFFSET_BY_SPEED):
        speed_x, speed_y = dx / seconds * zoom, dy / seconds * zoom
        speed = f32(math.hypot(speed_x, speed_y))
        if uses & p.USES_SPEED1:
            s[SPEED1] += (speed - s[SPEED1]) * (_1 - _decay(values[p.SPEED1_SLOWNESS], seconds))
        if uses & p.USES_SPEED2:
            s[SPEED2] += (speed - s[SPEED2]) * (_1 - _decay(values[p.SPEED2_SLOWNESS], seconds))
        if uses & p.USES_OFFSET_BY_SPEED:
            slowness = f32(math.exp(f32(f64(values[p.OFFSET_BY_SPEED_SLOWNESS]) * 0.01))) - _1
            rate = _1 - _decay(max(slowness, f32(0.002)), seconds)
            s[SPEED_X] += (speed_x - s[SPEED_X]) * rate
            s[SPEED_Y] += (speed_y - s[SPEED_Y]) * rate
    if uses & p.USES_DIRECTION:
        x, y = dx * zoom, dy * zoom
        slowness = f32(math.exp(values[p.DIRECTION_FILTER] * _HALF)) - _1
        rate = _1 - _decay(slowness, f32(math.hypot(x, y)))
        s[DIRECTION360_X] += (x - s[DIRECTION360_X]) * rate
        s[DIRECTION360_Y] += (y - s[DIRECTION360_Y]) * rate
        old_x, old_y = s[DIRECTION_X], s[DIRECTION_Y]
        same = (old_x - x) * (old_x - x) + (old_y - y) * (old_y - y)
        opposite = (old_x + x) * (old_x + x) + (old_y + y) * (old_y + y)
        if same > opposite:  # a direction and its opposite are the same to this filter
            x, y = -x, -y
        s[DIRECTION_X] += (x - old_x) * rate
        s[DIRECTION_Y] += (y - old_y) * rate
    if uses & p.USES_CUSTOM:
        rate = _1 - _decay(values[p.CUSTOM_INPUT_SLOWNESS], f32(0.1))
        s[CUSTOM] += (values[p.CUSTOM_INPUT] - s[CUSTOM]) * rate
    if uses & p.USES_STROKE:
        distance = f32(math.hypot(dx / seconds / base_radius, dy / seconds / base_radius)) * seconds
        stroke = max(_0, s[STROKE] + distance * f32(math.exp(-values[p.STROKE_DURATION])))
        wrap = _1 + max(_0, values[p.STROKE_HOLDTIME])
        if stroke >= wrap:
            stroke = _1 if f64(wrap) > 10.9 else np.fmod(stroke, wrap)
        s[STROKE] = stroke


@njit(inline="always")
def _update_stroke_start(s: _Floats, threshold: Any) -> None:
    if s[STARTED] == _0:
        if s[PRESSURE] > threshold + f32(0.0001):
            s[STARTED], s[STROKE] = _1, _0
    elif f64(s[PRESSURE]) <= f64(threshold) * 0.9 + f64(f32(0.0001)):
        s[STARTED] = _0


@njit(inline="always")
def _advance(
    program: BrushProgram, s: _Floats, base: _Floats, values: _Floats, inputs: _Floats, constants: Any, step: Any
) -> None:
    """Advance the brush by a step: (dabs, dx, dy, pressure, seconds)."""
    dabs, dx, dy, pressure, seconds = step
    base_radius, gain, zoom, origin = constants
    if seconds <= _0:
        seconds = f32(0.001)
    s[X] += dx
    s[Y] += dy
    s[PRESSURE] = max(s[PRESSURE] + pressure, _0)
    # The densities that count the next dab are those of the step before.
    s[BASIC_DENSITY], s[ACTUAL_DENSITY] = values[p.DABS_PER_BASIC_RADIUS], values[p.DABS_PER_ACTUAL_RADIUS]
    s[TIME_DENSITY] = values[p.DABS_PER_SECOND]
    if program.uses & p.USES_STROKE:
        _update_stroke_start(s, base[p.STROKE_THRESHOLD])
    _update_inputs(program, s, base, values, inputs, gain, origin)
    evaluate_settings(program, base, inputs, values)
    rate = _1 - _decay(values[p.SLOW_TRACKING_PER_DAB], dabs)
    s[ACTUAL_X] += (s[X] - s[ACTUAL_X]) * rate
    s[ACTUAL_Y] += (s[Y] - s[ACTUAL_Y]) * rate
    _update_filters(program.uses, s, values, dx, dy, seconds, zoom, base_radius)
    s[ACTUAL_RADIUS] = _clamp(f32(math.exp(values[p.RADIUS_LOGARITHMIC])), _MIN_RADIUS, _MAX_RADIUS)
    s[RATIO] = values[p.DAB_RATIO]
    s[ANGLE] = _mod(values[p.DAB_ANGLE] + _180, _180) - _180


# ------------------------------------------------------------------------------------------------------------- dabs
@njit(inline="always")
def _dabs_to(s: _Floats, base: _Floats, clamped_radius: Any, dx: Any, dy: Any, seconds: Any) -> Any:
    """Return how many dabs lie on the way to a point (dx, dy) px away that the pen reaches after some seconds."""
    if s[RATIO] > _1:
        cos, sin = _cos_sin_of_degrees(s[ANGLE])
        across, along = (dy * cos - dx * sin) * s[RATIO], dy * sin + dx * cos
        distance = f32(math.sqrt(across * across + along * along))
    else:
        distance = f32(math.hypot(dx, dy))
    per_actual = s[ACTUAL_DENSITY] if s[ACTUAL_DENSITY] != _0 else base[p.DABS_PER_ACTUAL_RADIUS]
    per_basic = s[BASIC_DENSITY] if s[BASIC_DENSITY] != _0 else base[p.DABS_PER_BASIC_RADIUS]
    count = distance / s[ACTUAL_RADIUS] * per_actual + distance / clamped_radius * per_basic
    count += f32(seconds) * s[TIME_DENSITY]
    return count if count >= _0 else _0  # also where it is not a number


@njit(inline="always")
def _opacity(s: _Floats, base: _Floats, values: _Floats) -> Any:
    opacity = _clamp(max(_0, values[p.OPAQUE]) * values[p.OPAQUE_MULTIPLY], _0, _1)
    linearize = base[p.OPAQUE_LINEARIZE]
    if linearize != _0:  # so that overlapping dabs together have this opacity
        overlapping = max((s[ACTUAL_DENSITY] + s[BASIC_DENSITY]) * _2, _1)
        overlapping = _1 + linearize * (overlapping - _1)
        opacity = _1 - f32(math.pow(_1 - opacity, f32(1.0 / f64(overlapping))))
    return opacity


@njit(inline="always")
def _directed_offset(s: _Floats, values: _Floats, base_radius: Any) -> Any:
    """Return the offset (x, y) of a dab in px that the settings ``offset_x`` to ``offset_angle_2_view`` give it."""
    factor = f32(math.exp(values[p.OFFSET_MULTIPLIER]))
    if not factor < _FLOAT_MAX:
        return _0, _0
    x, y, turn, flip = values[p.OFFSET_X], values[p.OFFSET_Y], values[p.OFFSET_ANGLE_ADJ], s[FLIP]
    heading = np.fmod(f32(_degrees(s[DIRECTION360_Y], s[DIRECTION360_X]) - 90.0), _360)
    for angle, length in (
        (heading + turn, values[p.OFFSET_ANGLE]),
        (s[ASCENSION] + turn, values[p.OFFSET_ANGLE_ASC]),
        (-turn, values[p.OFFSET_ANGLE_VIEW]),
        (heading + turn * flip, max(_0, values[p.OFFSET_ANGLE_2]) * flip),
        (s[ASCENSION] + turn * flip, max(_0, values[p.OFFSET_ANGLE_2_ASC]) * flip),
        (-turn, max(_0, values[p.OFFSET_ANGLE_2_VIEW]) * flip),
    ):
        if length != _0:
            cos, sin = _cos_sin_of_degrees(angle)
            x += cos * length
            y += sin * length
    scale = base_radius * factor
    return _clamp(x * scale, -_MAX_OFFSET_PX, _MAX_OFFSET_PX), _clamp(y * scale, -_MAX_OFFSET_PX, _MAX_OFFSET_PX)


@njit(inline="always")
def _write_dab(
    program: BrushProgram,
    s: _Floats,
    base: _Floats,
    values: _Floats,
    constants: Any,
    generator: npt.NDArray[np.float64],
    dab: _Floats,
) -> None:
    """Write the dab that the brush draws in its present state, all but its time."""
    base_radius, _, zoom, _ = constants
    opacity = _opacity(s, base, values)
    x, y = s[ACTUAL_X], s[ACTUAL_Y]
    if program.uses & p.USES_OFFSETS:
        offset_x, offset_y = _directed_offset(s, values, base_radius)
        x += offset_x
        y += offset_y
    by_speed = values[p.OFFSET_BY_SPEED]
    if by_speed != _0:
        x = f32(f64(x) + f64(s[SPEED_X] * by_speed) * 0.1 / f64(zoom))
        y = f32(f64(y) + f64(s[SPEED_Y] * by_speed) * 0.1 / f64(zoom))
    if values[p.OFFSET_BY_RANDOM] != _0:
        amplitude = max(values[p.OFFSET_BY_RANDOM], _0)
        x += gaussian(generator) * amplitude * base_radius
        y += gaussian(generator) * amplitude * base_radius
    radius = s[ACTUAL_RADIUS]
    if values[p.RADIUS_BY_RANDOM] != _0:
        log_radius = values[p.RADIUS_LOGARITHMIC] + gaussian(generator) * values[p.RADIUS_BY_RANDOM]
        radius = _clamp(f32(math.exp(log_radius)), _MIN_RADIUS, _MAX_RADIUS)
        correction = s[ACTUAL_RADIUS] / radius
        opacity *= min(correction * correction, _1)
    hardness = _clamp(values[p.HARDNESS], _0, _1)
    radius, hardness = _soften(radius, hardness, values[p.ANTI_ALIASING])
    snap = values[p.SNAP_TO_PIXEL]
    if snap > _0:
        x += (f32(math.floor(x)) + _HALF - x) * snap
        y += (f32(math.floor(y)) + _HALF - y) * snap
        snapped = max(f32(math.floor(radius * _2 + _HALF)) / _2, _HALF)
        if snap > f32(0.9999):
            snapped -= f32(0.0001)
        radius += (snapped - radius) * snap
    dab[DAB_X], dab[DAB_Y], dab[DAB_RADIUS], dab[DAB_OPACITY] = x, y, radius, opacity
    dab[DAB_HARDNESS], dab[DAB_RATIO], dab[DAB_ANGLE] = hardness, s[RATIO], s[ANGLE]
    dab[DAB_PRESSURE] = s[PRESSURE]


@njit(inline="always")
def _soften(radius: Any, hardness: Any, width: Any) -> Any:
    """Let the edge of a dab fade over at least `width` px and keep the radius at which its opacity is half."""
    if f32(f64(radius) * (1.0 - f64(hardness))) >= width:
        return radius, hardness
    optical = f64(f32(f64(radius) - (1.0 - f64(hardness)) * f64(radius) / 2.0))
    softened = f32((optical - f64(width) / 2.0) / (optical + f64(width) / 2.0))
    return f32(f64(width) / (1.0 - f64(softened))), softened


# ---------------------------------------------------------------------------------------------------------- strokes
@njit(cache=True, nogil=True)
def _reset(s: _Floats, base: _Floats, clamped_radius: Any, x: Any, y: Any, pressure: Any) -> None:
    s[:] = _0
    s[X], s[Y], s[PRESSURE] = x, y, pressure
    s[ACTUAL_X], s[ACTUAL_Y], s[ACTUAL_RADIUS] = x, y, clamped_radius
    s[STROKE], s[FLIP] = _1, -_1


@njit(inline="always")
def _draw_to_event(
    program: BrushProgram,
    s: _Floats,
    base: _Floats,
    values: _Floats,
    inputs: _Floats,
    constants: Any,
    generator: npt.NDArray[np.float64],
    event: Any,
    dabs: _Floats,
    count: int,
) -> int:
    """Draw the dabs up to an event (index, x, y, pressure, seconds); the number of dabs, -1 if they do not fit."""
    index, x, y, pressure, seconds = event
    clamped_radius = _clamp(constants[0], _MIN_RADIUS, _MAX_RADIUS)
    moved, done = s[PARTIAL_DABS], 0.0
    while True:
        dx, dy = x - s[X], y - s[Y]
        todo = _dabs_to(s, base, clamped_radius, dx, dy, seconds)
        if moved + todo < _1:
            break
        step_dabs = _1
        if moved > _0:
            step_dabs = _1 - moved
            moved = _0
        part = step_dabs / todo
        step_seconds = f32(f64(part) * seconds)
        step = (step_dabs, part * dx, part * dy, part * (pressure - s[PRESSURE]), step_seconds)
        _tilt(s, part)
        _advance(program, s, base, values, inputs, constants, step)
        s[FLIP] = -s[FLIP]
        if count >= dabs.shape[0]:
            return -1
        _write_dab(program, s, base, values, constants, generator, dabs[count])
        done += (1.0 - done) * part
        dabs[count, DAB_TIME] = f32(index - 1 + done)
        count += 1
        s[RANDOM] = f32(uniform(generator))
        seconds -= f64(step_seconds)
    _tilt(s, _1)
    step = (todo, dx, dy, pressure - s[PRESSURE], f32(seconds))
    _advance(program, s, base, values, inputs, constants, step)
    s[PARTIAL_DABS] = moved + todo
    return count


@njit(inline="always")
def _tilt(s: _Floats, part: Any) -> None:
    """Move the pen's tilt part of the way to upright; a reset leaves it lying flat."""
    s[DECLINATION] += part * (_90 - s[DECLINATION])
    s[DECLINATION_X] += part * (_90 - s[DECLINATION_X])
    s[DECLINATION_Y] += part * (_90 - s[DECLINATION_Y])
    s[ASCENSION] += part * _angle_difference(s[ASCENSION], _0)


@njit(cache=True, nogil=True, _nrt=False)
def stroke_dabs(
    program: BrushProgram,
    points: npt.NDArray[np.float64],
    event_seconds: npt.NDArray[np.float64],
    log_radius: Any,
    softness: Any,
    seed: int,
    zoom: Any,
    origin: npt.NDArray[np.float64],
    memory: _Floats,
    generator: npt.NDArray[np.float64],
    dabs: _Floats,
) -> int:
    """Compute the dabs of a stroke.

    points (events, 3): x and y in px from `origin`, and pressure. event_seconds (events,): since the event before.
    log_radius, softness: base values of ``radius_logarithmic`` and ``anti_aliasing``. zoom: MyPaint's view zoom.
    dabs (capacity, DAB_SIZE): the result. Returns the number of dabs, or -1 if there are more than fit.
    """
    s, base, values, inputs = memory[0], memory[1], memory[2], memory[3]
    memory[:] = _0
    for setting in range(len(program.base)):
        base[setting] = program.base[setting]
    base[p.RADIUS_LOGARITHMIC], base[p.ANTI_ALIASING] = log_radius, softness
    values[:] = base
    base_radius = f32(math.exp(log_radius))
    inputs[p.VIEWZOOM] = log_radius - f32(math.log(base_radius / zoom))
    inputs[p.BRUSH_RADIUS] = log_radius
    constants = (base_radius, f32(math.exp(base[p.PRESSURE_GAIN])), zoom, (origin[0], origin[1]))
    seed_generator(generator, seed)
    clamped_radius = _clamp(base_radius, _MIN_RADIUS, _MAX_RADIUS)
    noise = base_radius * base[p.TRACKING_NOISE]
    count = 0
    # libmypaint is reset twice before a stroke, which draws from the generator each time.
    for event in range(-1, points.shape[0]):
        row = max(event, 0)
        x, y, pressure = f32(points[row, 0]), f32(points[row, 1]), max(f32(points[row, 2]), _0)
        seconds = event_seconds[row]
        sudden = event > 0 and seconds > _SUDDEN_SECONDS and pressure > _0 and s[PRESSURE] == _0
        for half in range(2 if sudden else 1):
            if sudden:  # pressure after a pause: first move there without pressure, then press
                seconds = event_seconds[row] - 0.0001 if half == 0 else 0.0001
            press = _0 if sudden and half == 0 else pressure
            to_x, to_y = x, y
            if s[SKIP] > f32(0.001):
                s[SKIPPED_TIME] = f32(f64(s[SKIPPED_TIME]) + seconds)
                s[SKIP] -= f32(math.hypot(s[SKIP_X] - x, s[SKIP_Y] - y))
                s[SKIP_X], s[SKIP_Y] = x, y
                seconds = f64(s[SKIPPED_TIME])
                if s[SKIP] > f32(0.001) and event > 0:
                    continue
                s[SKIP], s[SKIP_X], s[SKIP_Y], s[SKIPPED_TIME] = _0, _0, _0, _0
            if noise > f32(0.001):
                s[SKIP], s[SKIP_X], s[SKIP_Y] = _HALF * noise, x, y
                to_x += noise * gaussian(generator)
                to_y += noise * gaussian(generator)
            rate = _1 - _decay(base[p.SLOW_TRACKING], f32(100.0 * seconds))
            to_x, to_y = s[X] + (to_x - s[X]) * rate, s[Y] + (to_y - s[Y]) * rate
            if event <= 0 or seconds > _RESET_SECONDS:
                _reset(s, base, clamped_radius, to_x, to_y, press)
                s[RANDOM] = f32(uniform(generator))
                continue
            target = (event, to_x, to_y, press, seconds)
            count = _draw_to_event(program, s, base, values, inputs, constants, generator, target, dabs, count)
            if count < 0:
                return -1
    return count
