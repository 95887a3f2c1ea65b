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

from artkit_mypaint.engine import brush_program as p
from artkit_mypaint.engine import state as st
from artkit_mypaint.engine.brush_program import BrushProgram
from artkit_mypaint.engine.brush_step import advance
from artkit_mypaint.engine.colours import dab_colour, rgb_to_hsv
from artkit_mypaint.engine.compilation import compiled, inlined
from artkit_mypaint.engine.random_numbers import gaussian, seed_generator, uniform
from artkit_mypaint.engine.state import (
    F0,
    F1,
    F2,
    F90,
    F360,
    HALF,
    MAX_RADIUS,
    MIN_RADIUS,
    Floats,
    angle_difference,
    clamp,
    cos_sin_of_degrees,
    decay,
    degrees,
    f32,
    f64,
)

_MAX_OFFSET_PX = f32(3240)
_FLOAT_MAX = f32(3.4e38)
_RESET_SECONDS = 5.0  # after a longer pause the brush starts anew
_SUDDEN_SECONDS = 0.1  # after a longer time without pressure, pressure is not interpolated


@inlined
def _dabs_to(s: Floats, base: Floats, clamped_radius: Any, dx: Any, dy: Any, seconds: Any) -> Any:
    """Return how many dabs lie on the way to a point (dx, dy) px away that the pen reaches after some seconds."""
    if s[st.RATIO] > F1:
        cos, sin = cos_sin_of_degrees(s[st.ANGLE])
        across, along = (dy * cos - dx * sin) * s[st.RATIO], dy * sin + dx * cos
        distance = f32(math.sqrt(across * across + along * along))
    else:
        distance = f32(math.hypot(dx, dy))
    per_actual = s[st.ACTUAL_DENSITY] if s[st.ACTUAL_DENSITY] != F0 else base[p.DABS_PER_ACTUAL_RADIUS]
    per_basic = s[st.BASIC_DENSITY] if s[st.BASIC_DENSITY] != F0 else base[p.DABS_PER_BASIC_RADIUS]
    count = distance / s[st.ACTUAL_RADIUS] * per_actual + distance / clamped_radius * per_basic
    count += f32(seconds) * s[st.TIME_DENSITY]
    return count if count >= F0 else F0  # also where it is not a number


@inlined
def _opacity(s: Floats, base: Floats, values: Floats) -> Any:
    opacity = clamp(max(F0, values[p.OPAQUE]) * values[p.OPAQUE_MULTIPLY], F0, F1)
    linearize = base[p.OPAQUE_LINEARIZE]
    if linearize != F0:  # so that overlapping dabs together have this opacity
        overlapping = max((s[st.ACTUAL_DENSITY] + s[st.BASIC_DENSITY]) * F2, F1)
        overlapping = F1 + linearize * (overlapping - F1)
        opacity = F1 - f32(math.pow(F1 - opacity, f32(1.0 / f64(overlapping))))
    return opacity


@compiled
def _directed_offset(s: Floats, values: Floats, base_radius: Any) -> Any:
    """Return the offset (x, y) of a dab in px that the settings ``offset_x`` to ``offset_angle_2_view`` give it."""
    factor = f32(math.exp(values[p.OFFSET_MULTIPLIER]))
    if not factor < _FLOAT_MAX:
        return F0, F0
    x, y, turn, flip = values[p.OFFSET_X], values[p.OFFSET_Y], values[p.OFFSET_ANGLE_ADJ], s[st.FLIP]
    heading = np.fmod(f32(degrees(s[st.DIRECTION360_Y], s[st.DIRECTION360_X]) - 90.0), F360)
    for angle, length in (
        (heading + turn, values[p.OFFSET_ANGLE]),
        (s[st.ASCENSION] + turn, values[p.OFFSET_ANGLE_ASC]),
        (-turn, values[p.OFFSET_ANGLE_VIEW]),
        (heading + turn * flip, max(F0, values[p.OFFSET_ANGLE_2]) * flip),
        (s[st.ASCENSION] + turn * flip, max(F0, values[p.OFFSET_ANGLE_2_ASC]) * flip),
        (-turn, max(F0, values[p.OFFSET_ANGLE_2_VIEW]) * flip),
    ):
        if length != F0:
            cos, sin = cos_sin_of_degrees(angle)
            x += cos * length
            y += sin * length
    scale = base_radius * factor
    return clamp(x * scale, -_MAX_OFFSET_PX, _MAX_OFFSET_PX), clamp(y * scale, -_MAX_OFFSET_PX, _MAX_OFFSET_PX)


@inlined
def _write_dab(
    program: BrushProgram,
    s: Floats,
    base: Floats,
    values: Floats,
    constants: Any,
    generator: npt.NDArray[np.float64],
    dab: Floats,
) -> None:
    """Write the dab that the brush draws in its present state, all but its time."""
    base_radius, _, zoom, _, colour = constants
    opacity = _opacity(s, base, values)
    x, y = s[st.ACTUAL_X], s[st.ACTUAL_Y]
    if program.uses & p.USES_OFFSETS:
        offset_x, offset_y = _directed_offset(s, values, base_radius)
        x += offset_x
        y += offset_y
    by_speed = values[p.OFFSET_BY_SPEED]
    if by_speed != F0:
        x = f32(f64(x) + f64(s[st.SPEED_X] * by_speed) * 0.1 / f64(zoom))
        y = f32(f64(y) + f64(s[st.SPEED_Y] * by_speed) * 0.1 / f64(zoom))
    if values[p.OFFSET_BY_RANDOM] != F0:
        amplitude = max(values[p.OFFSET_BY_RANDOM], F0)
        x += gaussian(generator) * amplitude * base_radius
        y += gaussian(generator) * amplitude * base_radius
    radius = s[st.ACTUAL_RADIUS]
    if values[p.RADIUS_BY_RANDOM] != F0:
        log_radius = values[p.RADIUS_LOGARITHMIC] + gaussian(generator) * values[p.RADIUS_BY_RANDOM]
        radius = clamp(f32(math.exp(log_radius)), MIN_RADIUS, MAX_RADIUS)
        correction = s[st.ACTUAL_RADIUS] / radius
        opacity *= min(correction * correction, F1)
    hardness = clamp(values[p.HARDNESS], F0, F1)
    radius, hardness = _soften(radius, hardness, values[p.ANTI_ALIASING])
    snap = values[p.SNAP_TO_PIXEL]
    if snap > F0:
        x += (f32(math.floor(x)) + HALF - x) * snap
        y += (f32(math.floor(y)) + HALF - y) * snap
        snapped = max(f32(math.floor(radius * F2 + HALF)) / F2, HALF)
        if snap > f32(0.9999):
            snapped -= f32(0.0001)
        radius += (snapped - radius) * snap
    dab[st.DAB_X], dab[st.DAB_Y], dab[st.DAB_RADIUS], dab[st.DAB_OPACITY] = x, y, radius, opacity
    dab[st.DAB_HARDNESS], dab[st.DAB_RATIO], dab[st.DAB_ANGLE] = hardness, s[st.RATIO], s[st.ANGLE]
    dab[st.DAB_PRESSURE] = s[st.PRESSURE]
    if program.uses & p.USES_COLOUR:
        dab[st.DAB_SIZE], dab[st.DAB_SIZE + 1], dab[st.DAB_SIZE + 2] = dab_colour(values, colour)


@inlined
def _soften(radius: Any, hardness: Any, width: Any) -> Any:
    """Let the edge of a dab fade over at least `width` px and keep the radius at which its opacity is half."""
    if f32(f64(radius) * (1.0 - f64(hardness))) >= width:
        return radius, hardness
    optical = f64(f32(f64(radius) - (1.0 - f64(hardness)) * f64(radius) / 2.0))
    softened = f32((optical - f64(width) / 2.0) / (optical + f64(width) / 2.0))
    return f32(f64(width) / (1.0 - f64(softened))), softened


@inlined
def _reset(s: Floats, clamped_radius: Any, x: Any, y: Any, pressure: Any) -> None:
    s[:] = F0
    s[st.X], s[st.Y], s[st.PRESSURE] = x, y, pressure
    s[st.ACTUAL_X], s[st.ACTUAL_Y], s[st.ACTUAL_RADIUS] = x, y, clamped_radius
    s[st.STROKE], s[st.FLIP] = F1, -F1


@inlined
def _draw_to_event(
    program: BrushProgram,
    s: Floats,
    base: Floats,
    values: Floats,
    inputs: Floats,
    constants: Any,
    generator: npt.NDArray[np.float64],
    event: Any,
    dabs: Floats,
    count: int,
) -> int:
    """Draw the dabs up to an event (index, x, y, pressure, seconds); the number of dabs, -1 if they do not fit."""
    index, x, y, pressure, seconds = event
    clamped_radius = clamp(constants[0], MIN_RADIUS, MAX_RADIUS)
    moved, done = s[st.PARTIAL_DABS], 0.0
    while True:
        dx, dy = x - s[st.X], y - s[st.Y]
        todo = _dabs_to(s, base, clamped_radius, dx, dy, seconds)
        if moved + todo < F1:
            break
        step_dabs = F1
        if moved > F0:
            step_dabs = F1 - moved
            moved = F0
        part = step_dabs / todo
        step_seconds = f32(f64(part) * seconds)
        step = (step_dabs, part * dx, part * dy, part * (pressure - s[st.PRESSURE]), step_seconds)
        _tilt(s, part)
        advance(program, s, base, values, inputs, constants, step)
        s[st.FLIP] = -s[st.FLIP]
        if count >= dabs.shape[0]:
            return -1
        _write_dab(program, s, base, values, constants, generator, dabs[count])
        done += (1.0 - done) * part
        dabs[count, st.DAB_TIME] = f32(index - 1 + done)
        count += 1
        s[st.RANDOM] = f32(uniform(generator))
        seconds -= f64(step_seconds)
    _tilt(s, F1)
    step = (todo, dx, dy, pressure - s[st.PRESSURE], f32(seconds))
    advance(program, s, base, values, inputs, constants, step)
    s[st.PARTIAL_DABS] = moved + todo
    return count


@inlined
def _tilt(s: Floats, part: Any) -> None:
    """Move the pen's tilt part of the way to upright; a reset leaves it lying flat."""
    s[st.DECLINATION] += part * (F90 - s[st.DECLINATION])
    s[st.DECLINATION_X] += part * (F90 - s[st.DECLINATION_X])
    s[st.DECLINATION_Y] += part * (F90 - s[st.DECLINATION_Y])
    s[st.ASCENSION] += part * angle_difference(s[st.ASCENSION], F0)


@inlined
def _set_base_values(
    program: BrushProgram, base: Floats, values: Floats, inputs: Floats, log_radius: Any, softness: Any, zoom: Any
) -> None:
    """Write what is constant in a stroke."""
    for setting in range(len(program.base)):
        base[setting] = values[setting] = program.base[setting]
    base[p.RADIUS_LOGARITHMIC] = values[p.RADIUS_LOGARITHMIC] = log_radius
    base[p.ANTI_ALIASING] = values[p.ANTI_ALIASING] = softness
    inputs[p.VIEWZOOM] = log_radius - f32(math.log(f32(math.exp(log_radius)) / zoom))
    inputs[p.BRUSH_RADIUS] = log_radius


@inlined
def _skip(s: Floats, x: Any, y: Any, seconds: Any, event: int) -> Any:
    """Return the seconds since the last event that was not skipped, or -1 to skip this one.

    Tracking noise displaces the pen once in a while, however many events there are: the way between is skipped.
    """
    if s[st.SKIP] <= f32(0.001):
        return seconds
    s[st.SKIPPED_TIME] = f32(f64(s[st.SKIPPED_TIME]) + seconds)
    s[st.SKIP] -= f32(math.hypot(s[st.SKIP_X] - x, s[st.SKIP_Y] - y))
    s[st.SKIP_X], s[st.SKIP_Y] = x, y
    seconds = f64(s[st.SKIPPED_TIME])
    if s[st.SKIP] > f32(0.001) and event > 0 and seconds <= _RESET_SECONDS:
        return -1.0
    s[st.SKIP], s[st.SKIP_X], s[st.SKIP_Y], s[st.SKIPPED_TIME] = F0, F0, F0, F0
    return seconds


@inlined
def _track_pen(
    s: Floats, base: Floats, generator: npt.NDArray[np.float64], x: Any, y: Any, noise: Any, seconds: Any
) -> Any:
    """Return where the brush moves when the pen moves to (x, y): with tracking noise, and behind the pen."""
    to_x, to_y = x, y
    if noise > f32(0.001):
        s[st.SKIP], s[st.SKIP_X], s[st.SKIP_Y] = HALF * noise, x, y
        to_x += noise * gaussian(generator)
        to_y += noise * gaussian(generator)
    rate = F1 - decay(base[p.SLOW_TRACKING], f32(100.0 * seconds))
    return s[st.X] + (to_x - s[st.X]) * rate, s[st.Y] + (to_y - s[st.Y]) * rate


@compiled
def stroke_dabs(
    program: BrushProgram,
    points: npt.NDArray[np.float64],
    event_seconds: npt.NDArray[np.float64],
    log_radius: Any,
    softness: Any,
    seed: int,
    zoom: Any,
    origin: npt.NDArray[np.float64],
    colour: Floats,
    memory: Floats,
    generator: npt.NDArray[np.float64],
    dabs: Floats,
) -> int:
    """Compute the dabs of a stroke.

    points (events, 3): x and y in px from `origin`, and pressure. event_seconds (events,): since the event before.
    log_radius, softness: base values of ``radius_logarithmic`` and ``anti_aliasing``. zoom: of MyPaint's view. colour:
    RGB. dabs (capacity, DAB_SIZE or COLOURED_DAB_SIZE): the result. Returns their number, or -1 if more than fit.
    """
    s, base, values, inputs = memory[0], memory[1], memory[2], memory[3]
    memory[:] = F0
    _set_base_values(program, base, values, inputs, log_radius, softness, zoom)
    base_radius, gain = f32(math.exp(log_radius)), f32(math.exp(base[p.PRESSURE_GAIN]))
    constants = (base_radius, gain, zoom, (origin[0], origin[1]), rgb_to_hsv(colour[0], colour[1], colour[2]))
    seed_generator(generator, seed)
    count, noise = 0, base_radius * base[p.TRACKING_NOISE]
    # libmypaint is reset twice before a stroke, which draws from the generator each time.
    for event in range(-1, points.shape[0]):
        row = max(event, 0)
        x, y, pressure = f32(points[row, 0]), f32(points[row, 1]), max(f32(points[row, 2]), F0)
        seconds = event_seconds[row]
        sudden = event > 0 and seconds > _SUDDEN_SECONDS and pressure > F0 and s[st.PRESSURE] == F0
        for half in range(2 if sudden else 1):
            if sudden:  # pressure after a pause: first move there without pressure, then press
                seconds = event_seconds[row] - 0.0001 if half == 0 else 0.0001
            press = F0 if sudden and half == 0 else pressure
            seconds = _skip(s, x, y, seconds, event)
            if seconds < 0:
                continue
            to_x, to_y = _track_pen(s, base, generator, x, y, noise, seconds)
            if event <= 0 or seconds > _RESET_SECONDS:
                _reset(s, clamp(base_radius, MIN_RADIUS, MAX_RADIUS), to_x, to_y, press)
                s[st.RANDOM] = f32(uniform(generator))
                continue
            to = (event, to_x, to_y, press, seconds)
            count = _draw_to_event(program, s, base, values, inputs, constants, generator, to, dabs, count)
            if count < 0:
                return -1
    return count
