"""A step of the brush: the inputs of its curves, the values of its settings, and its filters. Compiled with numba."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from artkit_mypaint.engine import brush_program as p
from artkit_mypaint.engine import state as st
from artkit_mypaint.engine.brush_program import BrushProgram
from artkit_mypaint.engine.compilation import inlined
from artkit_mypaint.engine.state import (
    F0,
    F1,
    F180,
    F360,
    HALF,
    MAX_RADIUS,
    MIN_RADIUS,
    Floats,
    angle_difference,
    clamp,
    decay,
    degrees,
    f32,
    f64,
    mod,
)

_GRID_SIZE = f32(256)


@inlined
def evaluate_settings(program: BrushProgram, base: Floats, inputs: Floats, values: Floats) -> None:
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


@inlined
def _update_inputs(
    program: BrushProgram, s: Floats, base: Floats, values: Floats, inputs: Floats, gain: Any, origin: Any
) -> None:
    """Compute the inputs of curves from the state, before its filters are updated."""
    uses = program.uses
    inputs[p.PRESSURE] = s[st.PRESSURE] * gain
    if uses & p.USES_SPEED1:
        inputs[p.SPEED1] = _map_speed(program.speed_maps[0], s[st.SPEED1])
    if uses & p.USES_SPEED2:
        inputs[p.SPEED2] = _map_speed(program.speed_maps[1], s[st.SPEED2])
    inputs[p.RANDOM] = s[st.RANDOM]
    inputs[p.STROKE] = min(s[st.STROKE], F1)
    if uses & p.USES_DIRECTION:
        inputs[p.DIRECTION] = mod(f32(degrees(s[st.DIRECTION_Y], s[st.DIRECTION_X]) + 180.0), F180)
        heading = degrees(s[st.DIRECTION360_Y], s[st.DIRECTION360_X])
        inputs[p.DIRECTION_ANGLE] = np.fmod(f32(heading + 360.0), F360)
        inputs[p.ATTACK_ANGLE] = angle_difference(s[st.ASCENSION], mod(f32(heading + 90.0), F360))
    inputs[p.TILT_DECLINATION] = s[st.DECLINATION]
    inputs[p.TILT_ASCENSION] = mod(s[st.ASCENSION] + F180, F360) - F180
    inputs[p.TILT_DECLINATION_X], inputs[p.TILT_DECLINATION_Y] = s[st.DECLINATION_X], s[st.DECLINATION_Y]
    inputs[p.CUSTOM] = s[st.CUSTOM]
    if uses & p.USES_GRIDMAP:
        size = f32(math.exp(values[p.GRIDMAP_SCALE])) * _GRID_SIZE
        x, y = s[st.ACTUAL_X] + f32(origin[0]), s[st.ACTUAL_Y] + f32(origin[1])
        inputs[p.GRIDMAP_X] = _grid_position(x, values[p.GRIDMAP_SCALE_X], size)
        inputs[p.GRIDMAP_Y] = _grid_position(y, values[p.GRIDMAP_SCALE_Y], size)


@inlined
def _map_speed(speed_map: Floats, speed: Any) -> Any:
    return f32(math.log(f64(speed_map[0] + speed)) * f64(speed_map[1]) + f64(speed_map[2]))


@inlined
def _grid_position(position: Any, scale: Any, size: Any) -> Any:
    within = mod(f32(abs(position * scale)), size) / size * _GRID_SIZE
    return clamp(_GRID_SIZE - within if position < F0 else within, F0, _GRID_SIZE)


@inlined
def _update_filters(
    uses: int, s: Floats, values: Floats, dx: Any, dy: Any, seconds: Any, zoom: Any, base_radius: Any
) -> None:
    """Advance the filters of speed, direction, custom input and stroke by a step of (dx, dy) px."""
    if uses & (p.USES_SPEED1 | p.USES_SPEED2 | p.USES_OFFSET_BY_SPEED):
        speed_x, speed_y = dx / seconds * zoom, dy / seconds * zoom
        speed = f32(math.hypot(speed_x, speed_y))
        if uses & p.USES_SPEED1:
            s[st.SPEED1] += (speed - s[st.SPEED1]) * (F1 - decay(values[p.SPEED1_SLOWNESS], seconds))
        if uses & p.USES_SPEED2:
            s[st.SPEED2] += (speed - s[st.SPEED2]) * (F1 - decay(values[p.SPEED2_SLOWNESS], seconds))
        if uses & p.USES_OFFSET_BY_SPEED:
            slowness = f32(math.exp(f32(f64(values[p.OFFSET_BY_SPEED_SLOWNESS]) * 0.01))) - F1
            rate = F1 - decay(max(slowness, f32(0.002)), seconds)
            s[st.SPEED_X] += (speed_x - s[st.SPEED_X]) * rate
            s[st.SPEED_Y] += (speed_y - s[st.SPEED_Y]) * rate
    if uses & p.USES_DIRECTION:
        x, y = dx * zoom, dy * zoom
        slowness = f32(math.exp(values[p.DIRECTION_FILTER] * HALF)) - F1
        rate = F1 - decay(slowness, f32(math.hypot(x, y)))
        s[st.DIRECTION360_X] += (x - s[st.DIRECTION360_X]) * rate
        s[st.DIRECTION360_Y] += (y - s[st.DIRECTION360_Y]) * rate
        old_x, old_y = s[st.DIRECTION_X], s[st.DIRECTION_Y]
        same = (old_x - x) * (old_x - x) + (old_y - y) * (old_y - y)
        opposite = (old_x + x) * (old_x + x) + (old_y + y) * (old_y + y)
        if same > opposite:  # a direction and its opposite are the same to this filter
            x, y = -x, -y
        s[st.DIRECTION_X] += (x - old_x) * rate
        s[st.DIRECTION_Y] += (y - old_y) * rate
    if uses & p.USES_CUSTOM:
        rate = F1 - decay(values[p.CUSTOM_INPUT_SLOWNESS], f32(0.1))
        s[st.CUSTOM] += (values[p.CUSTOM_INPUT] - s[st.CUSTOM]) * rate
    if uses & p.USES_STROKE:
        distance = f32(math.hypot(dx / seconds / base_radius, dy / seconds / base_radius)) * seconds
        stroke = max(F0, s[st.STROKE] + distance * f32(math.exp(-values[p.STROKE_DURATION])))
        wrap = F1 + max(F0, values[p.STROKE_HOLDTIME])
        if stroke >= wrap:
            stroke = F1 if f64(wrap) > 10.9 else np.fmod(stroke, wrap)
        s[st.STROKE] = stroke


@inlined
def _update_stroke_start(s: Floats, threshold: Any) -> None:
    if s[st.STARTED] == F0:
        if s[st.PRESSURE] > threshold + f32(0.0001):
            s[st.STARTED], s[st.STROKE] = F1, F0
    elif f64(s[st.PRESSURE]) <= f64(threshold) * 0.9 + f64(f32(0.0001)):
        s[st.STARTED] = F0


@inlined
def advance(
    program: BrushProgram, s: Floats, base: Floats, values: Floats, inputs: Floats, constants: Any, step: Any
) -> None:
    """Advance the brush by a step: (dabs, dx, dy, pressure, seconds)."""
    dabs, dx, dy, pressure, seconds = step
    base_radius, gain, zoom, origin, _ = constants
    if seconds <= F0:
        seconds = f32(0.001)
    s[st.X] += dx
    s[st.Y] += dy
    s[st.PRESSURE] = max(s[st.PRESSURE] + pressure, F0)
    # The densities that count the next dab are those of the step before.
    s[st.BASIC_DENSITY], s[st.ACTUAL_DENSITY] = values[p.DABS_PER_BASIC_RADIUS], values[p.DABS_PER_ACTUAL_RADIUS]
    s[st.TIME_DENSITY] = values[p.DABS_PER_SECOND]
    if program.uses & p.USES_STROKE:
        _update_stroke_start(s, base[p.STROKE_THRESHOLD])
    _update_inputs(program, s, base, values, inputs, gain, origin)
    evaluate_settings(program, base, inputs, values)
    rate = F1 - decay(values[p.SLOW_TRACKING_PER_DAB], dabs)
    s[st.ACTUAL_X] += (s[st.X] - s[st.ACTUAL_X]) * rate
    s[st.ACTUAL_Y] += (s[st.Y] - s[st.ACTUAL_Y]) * rate
    _update_filters(program.uses, s, values, dx, dy, seconds, zoom, base_radius)
    s[st.ACTUAL_RADIUS] = clamp(f32(math.exp(values[p.RADIUS_LOGARITHMIC])), MIN_RADIUS, MAX_RADIUS)
    s[st.RATIO] = values[p.DAB_RATIO]
    s[st.ANGLE] = mod(values[p.DAB_ANGLE] + F180, F180) - F180
