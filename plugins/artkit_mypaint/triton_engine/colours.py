"""The colour of a dab in Triton: see `artkit_mypaint.engine.colours`. Hues are in turns, all in double precision."""

from __future__ import annotations

import triton
import triton.language as tl

from artkit_mypaint.triton_engine.brush_step import evaluate


@triton.jit
def _unit(value):
    """Clamp a value to [0, 1]; 0 for what is not a number."""
    return tl.where(value >= 1.0, 1.0, tl.where(value > 0.0, value, 0.0)).to(tl.float64)


@triton.jit
def _turn(hue):
    """The fraction of a hue, in [0, 1); 0 for what is not finite."""
    turn = hue.to(tl.float64) - tl.floor(hue.to(tl.float64))
    return tl.where((turn >= 0.0) & (turn < 1.0), turn, 0.0)


@triton.jit
def _select_sector(index, a, b, c, d, e, f):
    first = tl.where(index == 0.0, a, tl.where(index == 1.0, b, c))
    return tl.where(index < 3.0, first, tl.where(index == 3.0, d, tl.where(index == 4.0, e, f)))


@triton.jit
def hsv_to_rgb(h, s, v):
    """Convert HSV to RGB, single precision; s and v are clamped to [0, 1]."""
    s, v = _unit(s), _unit(v)
    sector = _turn(h) * 6.0
    index = tl.floor(sector)
    fraction = sector - index
    low, falling, rising = v * (1.0 - s), v * (1.0 - s * fraction), v * (1.0 - s * (1.0 - fraction))
    r = _select_sector(index, v, falling, low, low, rising, v)
    g = _select_sector(index, rising, v, v, falling, low, low)
    b = _select_sector(index, low, low, rising, v, v, falling)
    return r.to(tl.float32), g.to(tl.float32), b.to(tl.float32)


@triton.jit
def _hue(r, g, b, largest, delta):
    delta = tl.where(delta > 0.0, delta, 1.0)
    hue = tl.where(r == largest, (g - b) / delta, tl.where(g == largest, 2.0 + (b - r) / delta, 4.0 + (r - g) / delta))
    hue /= 6.0
    return tl.where(hue < 0.0, hue + 1.0, hue)


@triton.jit
def rgb_to_hsv(r, g, b):
    """Convert RGB, clamped to [0, 1], to HSV, single precision."""
    r, g, b = _unit(r), _unit(g), _unit(b)
    largest = tl.maximum(tl.maximum(r, g), b)
    delta = largest - tl.minimum(tl.minimum(r, g), b)
    grey = delta <= 0.0001
    hue = tl.where(grey, 0.0, _hue(r, g, b, largest, delta))
    saturation = tl.where(grey, 0.0, delta / tl.where(largest > 0.0, largest, 1.0))
    return hue.to(tl.float32), saturation.to(tl.float32), largest.to(tl.float32)


@triton.jit
def rgb_to_hsl(r, g, b):
    """Convert RGB, clamped to [0, 1], to hue, saturation and lightness, single precision."""
    r, g, b = _unit(r), _unit(g), _unit(b)
    largest, smallest = tl.maximum(tl.maximum(r, g), b), tl.minimum(tl.minimum(r, g), b)
    lightness, delta = (largest + smallest) / 2.0, largest - smallest
    scale = tl.where(lightness <= 0.5, largest + smallest, 2.0 - largest - smallest)
    saturation = delta / tl.where(delta > 0.0, scale, 1.0)
    hue = tl.where(delta > 0.0, _hue(r, g, b, largest, delta), 0.0)
    return hue.to(tl.float32), saturation.to(tl.float32), lightness.to(tl.float32)


@triton.jit
def _component(low, high, hue):
    hue = tl.where(hue > 6.0, hue - 6.0, tl.where(hue < 0.0, hue + 6.0, hue))
    falling = tl.where(hue < 4.0, low + (high - low) * (4.0 - hue), low)
    return tl.where(hue < 1.0, low + (high - low) * hue, tl.where(hue < 3.0, high, falling))


@triton.jit
def hsl_to_rgb(h, s, lightness):
    """Convert hue, saturation and lightness to RGB, single precision; the last two are clamped to [0, 1]."""
    s, lightness = _unit(s), _unit(lightness)
    high = tl.where(lightness <= 0.5, lightness * (1.0 + s), lightness + s - lightness * s)
    low = 2.0 * lightness - high
    hue = _turn(h) * 6.0
    r, g, b = _component(low, high, hue + 2.0), _component(low, high, hue), _component(low, high, hue - 2.0)
    return r.to(tl.float32), g.to(tl.float32), b.to(tl.float32)


@triton.jit
def dab_colour(program: tl.constexpr, inputs, stroke):
    """Return the RGB colour of a dab, in [0, 1]."""
    h = stroke.hue + evaluate(program.change_color_h, inputs)
    s = stroke.saturation + stroke.saturation * stroke.value * evaluate(program.change_color_hsv_s, inputs)
    v = stroke.value + evaluate(program.change_color_v, inputs)
    if program.change_color_l.active or program.change_color_hsl_s.active:
        more_light = evaluate(program.change_color_l, inputs)
        more_saturation = evaluate(program.change_color_hsl_s, inputs)
        r, g, b = hsv_to_rgb(h, s, v)
        hue, saturation, lightness = rgb_to_hsl(r, g, b)
        lightness += more_light
        room = saturation * tl.minimum(tl.abs(1.0 - lightness), tl.abs(lightness))
        saturation = saturation.to(tl.float64) + room.to(tl.float64) * 2.0 * more_saturation.to(tl.float64)
        r, g, b = hsl_to_rgb(hue, saturation, lightness)
        new_h, new_s, new_v = rgb_to_hsv(r, g, b)
        changed = (more_light != 0.0) | (more_saturation != 0.0)
        h, s, v = tl.where(changed, new_h, h), tl.where(changed, new_s, s), tl.where(changed, new_v, v)
    return hsv_to_rgb(h, s, v)
