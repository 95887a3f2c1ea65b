"""A step of the brush in Triton: see `artkit_mypaint.engine.brush_step`. Each lane is a stroke."""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from artkit_mypaint.triton_engine.arithmetic import (
    angle_difference,
    clamp,
    decay,
    degrees,
    div,
    exp,
    hypot,
    mod,
)
from artkit_mypaint.triton_engine.state import (
    MAX_RADIUS,
    MIN_RADIUS,
    Dab,
    Densities,
    Directions,
    Grid,
    Pen,
    Speeds,
    State,
    Step,
)

_GRID_SIZE = tl.constexpr(256.0)


class Inputs(NamedTuple):
    """The inputs of curves, in the order of `brush_program.INPUTS`."""

    pressure: Any
    speed1: Any
    speed2: Any
    random: Any
    stroke: Any
    direction: Any
    tilt_declination: Any
    tilt_ascension: Any
    custom: Any
    direction_angle: Any
    attack_angle: Any
    tilt_declination_x: Any
    tilt_declination_y: Any
    gridmap_x: Any
    gridmap_y: Any
    viewzoom: Any
    barrel_rotation: Any
    brush_radius: Any


@triton.jit
def _piece(piece: tl.constexpr, at):
    if piece[0] == piece[2] or piece[1] == piece[3]:
        return tl.full(at.shape, piece[1], tl.float32)
    return div(piece[3] * (at - piece[0]) + piece[1] * (piece[2] - at), piece[2] - piece[0])


@triton.jit
def _curve(curve: tl.constexpr, at):
    value = _piece(curve.pieces[0], at)
    beyond = at > curve.pieces[0][2]
    for k in tl.static_range(1, len(curve.pieces)):
        value = tl.where(beyond, _piece(curve.pieces[k], at), value)
        beyond = beyond & (at > curve.pieces[k][2])
    return value


@triton.jit
def add_curves(setting: tl.constexpr, inputs, base):
    """Return the value of a setting with a base value of its own in each lane."""
    for k in tl.static_range(len(setting.curves)):
        base += _curve(setting.curves[k], inputs[setting.curves[k].input])
    return base


@triton.jit
def evaluate(setting: tl.constexpr, inputs):
    """Return the value of a setting: base value plus a piecewise-linear function of each input."""
    return add_curves(setting, inputs, tl.full(inputs.pressure.shape, setting.base, tl.float32))


@triton.jit
def _speed_input(speed_map: tl.constexpr, speed):
    return (tl.log((speed_map.gamma + speed).to(tl.float64)) * speed_map.factor + speed_map.offset).to(tl.float32)


@triton.jit
def _grid_position(position, scale, size):
    length = tl.abs(position * scale)
    within = div(length - size * tl.floor(div(length, size)), size) * _GRID_SIZE
    return clamp(tl.where(position < 0.0, _GRID_SIZE - within, within), 0.0, _GRID_SIZE)


@triton.jit
def _inputs(program: tl.constexpr, s, stroke):
    """Compute the inputs of curves from the state, before its filters are updated."""
    zero = tl.zeros(stroke.log_radius.shape, tl.float32)
    speed1, speed2, direction, direction_angle = zero, zero, zero, zero
    attack_angle, gridmap_x, gridmap_y = zero, zero, zero
    if program.uses.speed1:
        speed1 = _speed_input(program.speed1_map, s.speeds.slow1)
    if program.uses.speed2:
        speed2 = _speed_input(program.speed2_map, s.speeds.slow2)
    if program.uses.direction:
        direction = mod((degrees(s.directions.y, s.directions.x) + 180.0).to(tl.float32), 180.0)
        heading = degrees(s.directions.y360, s.directions.x360)
        turned = (heading + 360.0).to(tl.float32)
        direction_angle = tl.where(turned >= 360.0, turned - 360.0, turned)
        attack_angle = angle_difference(s.tilt.ascension, mod((heading + 90.0).to(tl.float32), 360.0))
    if program.uses.gridmap:
        size = exp(s.grid.scale) * _GRID_SIZE
        gridmap_x = _grid_position(s.dab.x + stroke.origin_x, s.grid.scale_x, size)
        gridmap_y = _grid_position(s.dab.y + stroke.origin_y, s.grid.scale_y, size)
    return Inputs(
        pressure=s.pen.pressure * stroke.gain,
        speed1=speed1,
        speed2=speed2,
        random=s.random,
        stroke=tl.minimum(s.stroke, 1.0),
        direction=direction,
        tilt_declination=s.tilt.declination,
        tilt_ascension=mod(s.tilt.ascension + 180.0, 360.0) - 180.0,
        custom=s.custom,
        direction_angle=direction_angle,
        attack_angle=attack_angle,
        tilt_declination_x=s.tilt.declination_x,
        tilt_declination_y=s.tilt.declination_y,
        gridmap_x=gridmap_x,
        gridmap_y=gridmap_y,
        viewzoom=stroke.log_radius - tl.log(div(exp(stroke.log_radius), stroke.zoom).to(tl.float64)).to(tl.float32),
        barrel_rotation=zero,
        brush_radius=stroke.log_radius,
    )


@triton.jit
def _filtered_speeds(program: tl.constexpr, speeds, inputs, step, zoom):
    slow1, slow2, x, y = speeds.slow1, speeds.slow2, speeds.x, speeds.y
    if program.uses.any_speed:
        step_x, step_y = div(step.dx, step.seconds) * zoom, div(step.dy, step.seconds) * zoom
        speed = hypot(step_x, step_y)
        if program.uses.speed1:
            slow1 += (speed - slow1) * (1.0 - decay(evaluate(program.speed1_slowness, inputs), step.seconds))
        if program.uses.speed2:
            slow2 += (speed - slow2) * (1.0 - decay(evaluate(program.speed2_slowness, inputs), step.seconds))
        if program.uses.offset_by_speed:
            slowness = evaluate(program.offset_by_speed_slowness, inputs)
            slowness = exp((slowness.to(tl.float64) * 0.01).to(tl.float32)) - 1.0
            rate = 1.0 - decay(tl.maximum(slowness, 0.002), step.seconds)
            x += (step_x - x) * rate
            y += (step_y - y) * rate
    return Speeds(slow1, slow2, x, y)


@triton.jit
def _filtered_directions(program: tl.constexpr, directions, inputs, step, zoom):
    x, y, x360, y360 = directions.x, directions.y, directions.x360, directions.y360
    if program.uses.direction:
        dx, dy = step.dx * zoom, step.dy * zoom
        slowness = exp(evaluate(program.direction_filter, inputs) * 0.5) - 1.0
        rate = 1.0 - decay(slowness, hypot(dx, dy))
        x360 += (dx - x360) * rate
        y360 += (dy - y360) * rate
        same = (x - dx) * (x - dx) + (y - dy) * (y - dy)
        opposite = (x + dx) * (x + dx) + (y + dy) * (y + dy)
        sign = tl.where(same > opposite, -1.0, 1.0)  # a direction and its opposite are the same to this filter
        x += (dx * sign - x) * rate
        y += (dy * sign - y) * rate
    return Directions(x, y, x360, y360)


@triton.jit
def _filtered_stroke(program: tl.constexpr, stroke, inputs, step, radius):
    """Advance the input `stroke`."""
    if program.uses.stroke:
        dx, dy = div(div(step.dx, step.seconds), radius), div(div(step.dy, step.seconds), radius)
        growth = hypot(dx, dy) * step.seconds * exp(-evaluate(program.stroke_duration_logarithmic, inputs))
        stroke = tl.maximum(stroke + growth, 0.0)
        wrap = 1.0 + tl.maximum(evaluate(program.stroke_holdtime, inputs), 0.0)
        long, wrap64 = stroke.to(tl.float64), wrap.to(tl.float64)
        wrapped = (long - wrap64 * tl.floor(long / wrap64)).to(tl.float32)
        stroke = tl.where(stroke >= wrap, tl.where(wrap64 > 10.9, 1.0, wrapped), stroke)
    return stroke


@triton.jit
def _started_stroke(program: tl.constexpr, stroke, started, pressure):
    """Return the input `stroke` and whether the stroke has begun, at a new pressure."""
    if program.uses.stroke:
        begins = (started == 0.0) & (pressure > program.stroke_threshold.base + 0.0001)
        ends = (started != 0.0) & (pressure.to(tl.float64) <= program.stroke_threshold.base * 0.9 + 0.0001)
        started = tl.where(begins, 1.0, tl.where(ends, 0.0, started))
        stroke = tl.where(begins, 0.0, stroke)
    return stroke, started


@triton.jit
def _filtered_custom(program: tl.constexpr, custom, inputs):
    if program.uses.custom:
        rate = 1.0 - decay(evaluate(program.custom_input_slowness, inputs), tl.full(custom.shape, 0.1, tl.float32))
        custom += (evaluate(program.custom_input, inputs) - custom) * rate
    return custom


@triton.jit
def advance(program: tl.constexpr, s, stroke, step):
    """Advance the brush by a step; return its state, and the inputs of its settings."""
    step = Step(step.dabs, step.dx, step.dy, step.pressure, tl.where(step.seconds <= 0.0, 0.001, step.seconds))
    pen = Pen(s.pen.x + step.dx, s.pen.y + step.dy, tl.maximum(s.pen.pressure + step.pressure, 0.0))
    stroke_input, started = _started_stroke(program, s.stroke, s.started, pen.pressure)
    before = State(
        pen, s.dab, s.densities, s.next_densities, s.grid, s.speeds, s.directions, s.tilt, s.skip, s.partial_dabs,
        stroke_input, started, s.custom, s.flip, s.random,
    )  # fmt: skip
    inputs = _inputs(program, before, stroke)
    rate = 1.0 - decay(evaluate(program.slow_tracking_per_dab, inputs), step.dabs)
    after = State(
        pen=pen,
        dab=Dab(
            x=s.dab.x + (pen.x - s.dab.x) * rate,
            y=s.dab.y + (pen.y - s.dab.y) * rate,
            radius=clamp(
                exp(add_curves(program.radius_logarithmic, inputs, stroke.log_radius)), MIN_RADIUS, MAX_RADIUS
            ),
            ratio=evaluate(program.elliptical_dab_ratio, inputs),
            angle=mod(evaluate(program.elliptical_dab_angle, inputs) + 180.0, 180.0) - 180.0,
        ),
        densities=s.next_densities,  # those that count the next dab are those of the step before
        next_densities=Densities(
            basic=evaluate(program.dabs_per_basic_radius, inputs),
            actual=evaluate(program.dabs_per_actual_radius, inputs),
            time=evaluate(program.dabs_per_second, inputs),
        ),
        grid=Grid(
            scale=evaluate(program.gridmap_scale, inputs),
            scale_x=evaluate(program.gridmap_scale_x, inputs),
            scale_y=evaluate(program.gridmap_scale_y, inputs),
        ),
        speeds=_filtered_speeds(program, s.speeds, inputs, step, stroke.zoom),
        directions=_filtered_directions(program, s.directions, inputs, step, stroke.zoom),
        tilt=s.tilt,
        skip=s.skip,
        partial_dabs=s.partial_dabs,
        stroke=_filtered_stroke(program, stroke_input, inputs, step, stroke.radius),
        started=started,
        custom=_filtered_custom(program, s.custom, inputs),
        flip=s.flip,
        random=s.random,
    )
    return after, inputs
