"""The dabs that a brush draws, in Triton: opacity, position, radius and hardness from its present state."""

from __future__ import annotations

import triton
import triton.language as tl

from artkit_mypaint.triton_engine.arithmetic import clamp, cos_sin_of_degrees, degrees, div, exp
from artkit_mypaint.triton_engine.brush_step import add_curves, evaluate
from artkit_mypaint.triton_engine.colours import dab_colour
from artkit_mypaint.triton_engine.random_numbers import gaussian
from artkit_mypaint.triton_engine.state import MAX_RADIUS, MIN_RADIUS

_MAX_OFFSET_PX = tl.constexpr(3240.0)
_FLOAT_MAX = tl.constexpr(3.4e38)


@triton.jit
def _opacity(program: tl.constexpr, s, inputs):
    opacity = tl.maximum(evaluate(program.opaque, inputs), 0.0) * evaluate(program.opaque_multiply, inputs)
    opacity = clamp(opacity, 0.0, 1.0)
    if program.opaque_linearize.base != 0.0:  # so that overlapping dabs together have this opacity
        overlapping = tl.maximum((s.densities.actual + s.densities.basic) * 2.0, 1.0)
        overlapping = 1.0 + program.opaque_linearize.base * (overlapping - 1.0)
        exponent = (1.0 / overlapping.to(tl.float64)).to(tl.float32)
        log = tl.log((1.0 - opacity).to(tl.float64))
        opacity = 1.0 - tl.exp(exponent.to(tl.float64) * log).to(tl.float32)
    return opacity


@triton.jit
def _directed_offset(program: tl.constexpr, s, inputs, base_radius):
    """Return the offset (x, y) of a dab in px that the settings `offset_x` to `offset_angle_2_view` give it."""
    factor = exp(evaluate(program.offset_multiplier, inputs))
    x, y = evaluate(program.offset_x, inputs), evaluate(program.offset_y, inputs)
    turn = evaluate(program.offset_angle_adj, inputs)
    heading = (degrees(s.directions.y360, s.directions.x360) - 90.0).to(tl.float32)
    if program.offset_angle.active:
        x, y = _add_vector(x, y, heading + turn, evaluate(program.offset_angle, inputs))
    if program.offset_angle_asc.active:
        x, y = _add_vector(x, y, s.tilt.ascension + turn, evaluate(program.offset_angle_asc, inputs))
    if program.offset_angle_view.active:
        x, y = _add_vector(x, y, -turn, evaluate(program.offset_angle_view, inputs))
    if program.offset_angle_2.active:
        length = tl.maximum(evaluate(program.offset_angle_2, inputs), 0.0) * s.flip
        x, y = _add_vector(x, y, heading + turn * s.flip, length)
    if program.offset_angle_2_asc.active:
        length = tl.maximum(evaluate(program.offset_angle_2_asc, inputs), 0.0) * s.flip
        x, y = _add_vector(x, y, s.tilt.ascension + turn * s.flip, length)
    if program.offset_angle_2_view.active:
        length = tl.maximum(evaluate(program.offset_angle_2_view, inputs), 0.0) * s.flip
        x, y = _add_vector(x, y, -turn, length)
    scale = base_radius * factor
    finite = factor < _FLOAT_MAX
    x, y = clamp(x * scale, -_MAX_OFFSET_PX, _MAX_OFFSET_PX), clamp(y * scale, -_MAX_OFFSET_PX, _MAX_OFFSET_PX)
    return tl.where(finite, x, 0.0), tl.where(finite, y, 0.0)


@triton.jit
def _add_vector(x, y, angle, length):
    cos, sin = cos_sin_of_degrees(angle)
    return tl.where(length != 0.0, x + cos * length, x), tl.where(length != 0.0, y + sin * length, y)


@triton.jit
def _position(program: tl.constexpr, s, inputs, stroke, generator, mask):
    """Return the centre of the dab, and the generator."""
    x, y = s.dab.x, s.dab.y
    if program.uses.offsets:
        offset_x, offset_y = _directed_offset(program, s, inputs, stroke.radius)
        x += offset_x
        y += offset_y
    if program.offset_by_speed.active:
        by_speed = evaluate(program.offset_by_speed, inputs)
        zoom = stroke.zoom.to(tl.float64)
        x = (x.to(tl.float64) + (s.speeds.x * by_speed).to(tl.float64) * 0.1 / zoom).to(tl.float32)
        y = (y.to(tl.float64) + (s.speeds.y * by_speed).to(tl.float64) * 0.1 / zoom).to(tl.float32)
    if program.offset_by_random.active:
        value = evaluate(program.offset_by_random, inputs)
        amplitude = tl.maximum(value, 0.0)
        drawing = mask & (value != 0.0)
        noise_x, generator = gaussian(generator, drawing)
        noise_y, generator = gaussian(generator, drawing)
        x = tl.where(drawing, x + noise_x * amplitude * stroke.radius, x)
        y = tl.where(drawing, y + noise_y * amplitude * stroke.radius, y)
    return x, y, generator


@triton.jit
def _soften(radius, hardness, width):
    """Let the edge of a dab fade over at least `width` px and keep the radius at which its opacity is half."""
    radius64, hardness64, width64 = radius.to(tl.float64), hardness.to(tl.float64), width.to(tl.float64)
    soft = (radius64 * (1.0 - hardness64)).to(tl.float32) >= width
    optical = (radius64 - (1.0 - hardness64) * radius64 / 2.0).to(tl.float32).to(tl.float64)
    softened = ((optical - width64 / 2.0) / (optical + width64 / 2.0)).to(tl.float32)
    wider = (width64 / (1.0 - softened.to(tl.float64))).to(tl.float32)
    return tl.where(soft, radius, wider), tl.where(soft, hardness, softened)


@triton.jit
def write_dab(program: tl.constexpr, s, inputs, stroke, generator, time, dab, mask):
    """Write the dab that the brush draws in its present state to a pointer; return the generator."""
    opacity = _opacity(program, s, inputs)
    x, y, generator = _position(program, s, inputs, stroke, generator, mask)
    radius = s.dab.radius
    if program.radius_by_random.active:
        amplitude = evaluate(program.radius_by_random, inputs)
        drawing = mask & (amplitude != 0.0)
        noise, generator = gaussian(generator, drawing)
        log_radius = add_curves(program.radius_logarithmic, inputs, stroke.log_radius) + noise * amplitude
        varied = clamp(exp(log_radius), MIN_RADIUS, MAX_RADIUS)
        correction = div(s.dab.radius, varied)
        radius = tl.where(drawing, varied, radius)
        opacity = tl.where(drawing, opacity * tl.minimum(correction * correction, 1.0), opacity)
    hardness = clamp(evaluate(program.hardness, inputs), 0.0, 1.0)
    radius, hardness = _soften(radius, hardness, add_curves(program.anti_aliasing, inputs, stroke.softness))
    if program.snap_to_pixel.active:
        snap = evaluate(program.snap_to_pixel, inputs)
        snapped = tl.maximum(tl.floor(radius * 2.0 + 0.5) * 0.5, 0.5)
        snapped = tl.where(snap > 0.9999, snapped - 0.0001, snapped)
        x = tl.where(snap > 0.0, x + (tl.floor(x) + 0.5 - x) * snap, x)
        y = tl.where(snap > 0.0, y + (tl.floor(y) + 0.5 - y) * snap, y)
        radius = tl.where(snap > 0.0, radius + (snapped - radius) * snap, radius)
    fields = (x, y, radius, opacity, hardness, s.dab.ratio, s.dab.angle, time, s.pen.pressure)
    if program.uses.colour:
        red, green, blue = dab_colour(program, inputs, stroke)
        fields = fields + (red, green, blue)
    for k in tl.static_range(len(fields)):
        tl.store(dab + k, fields[k], mask=mask)
    return generator
