"""The colour of a dab: the stroke's colour, changed in HSV and HSL as libmypaint does. Compiled with numba."""

from __future__ import annotations

import math
from typing import Any

from artkit_mypaint.engine import brush_program as p
from artkit_mypaint.engine.compilation import compiled, inlined
from artkit_mypaint.engine.state import F0, F1, Floats, f32, f64


@inlined
def _unit(value: Any) -> Any:
    """Clamp a value to [0, 1]; 0 for what is not a number."""
    if value >= F1:
        return F1
    return value if value > F0 else F0


@inlined
def _turn(hue: Any) -> Any:
    """The fraction of a hue, in [0, 1); 0 for what is not finite."""
    turn = f64(hue) - math.floor(f64(hue))
    return turn if 0.0 <= turn < 1.0 else 0.0


@compiled
def hsv_to_rgb(h: Any, s: Any, v: Any) -> Any:
    """Convert HSV to RGB. h: 1 is a full turn; s and v are clamped to [0, 1]."""
    s, v = f64(_unit(s)), f64(_unit(v))
    sector = _turn(h) * 6.0
    index = int(sector)
    fraction = sector - index
    low, falling, rising = v * (1.0 - s), v * (1.0 - s * fraction), v * (1.0 - s * (1.0 - fraction))
    if index == 0:
        r, g, b = v, rising, low
    elif index == 1:
        r, g, b = falling, v, low
    elif index == 2:
        r, g, b = low, v, rising
    elif index == 3:
        r, g, b = low, falling, v
    elif index == 4:
        r, g, b = rising, low, v
    else:
        r, g, b = v, low, falling
    return f32(r), f32(g), f32(b)


@inlined
def _hue(r: Any, g: Any, b: Any, largest: Any, delta: Any) -> Any:
    """Hue of an RGB colour in [0, 1); delta: largest minus smallest component, not 0."""
    if r == largest:
        hue = (g - b) / delta
    elif g == largest:
        hue = 2.0 + (b - r) / delta
    else:
        hue = 4.0 + (r - g) / delta
    hue /= 6.0
    return hue + 1.0 if hue < 0.0 else hue


@compiled
def rgb_to_hsv(r: Any, g: Any, b: Any) -> Any:
    """Convert RGB, clamped to [0, 1], to HSV."""
    r, g, b = f64(_unit(r)), f64(_unit(g)), f64(_unit(b))
    largest = max(r, g, b)
    delta = largest - min(r, g, b)
    if delta <= 0.0001:
        return F0, F0, f32(largest)
    return f32(_hue(r, g, b, largest, delta)), f32(delta / largest), f32(largest)


@compiled
def rgb_to_hsl(r: Any, g: Any, b: Any) -> Any:
    """Convert RGB, clamped to [0, 1], to hue, saturation and lightness."""
    r, g, b = f64(_unit(r)), f64(_unit(g)), f64(_unit(b))
    largest, smallest = max(r, g, b), min(r, g, b)
    lightness, delta = (largest + smallest) / 2.0, largest - smallest
    if delta == 0.0:
        return F0, F0, f32(lightness)
    saturation = delta / (largest + smallest if lightness <= 0.5 else 2.0 - largest - smallest)
    return f32(_hue(r, g, b, largest, delta)), f32(saturation), f32(lightness)


@compiled
def hsl_to_rgb(h: Any, s: Any, lightness: Any) -> Any:
    """Convert hue, saturation and lightness to RGB. h: 1 is a full turn; the others are clamped to [0, 1]."""
    s, lightness = f64(_unit(s)), f64(_unit(lightness))
    if s == 0.0:
        return f32(lightness), f32(lightness), f32(lightness)
    high = lightness * (1.0 + s) if lightness <= 0.5 else lightness + s - lightness * s
    low = 2.0 * lightness - high
    hue = _turn(h) * 6.0
    return f32(_component(low, high, hue + 2.0)), f32(_component(low, high, hue)), f32(_component(low, high, hue - 2.0))


@inlined
def _component(low: Any, high: Any, hue: Any) -> Any:
    if hue > 6.0:
        hue -= 6.0
    elif hue < 0.0:
        hue += 6.0
    if hue < 1.0:
        return low + (high - low) * hue
    if hue < 3.0:
        return high
    return low + (high - low) * (4.0 - hue) if hue < 4.0 else low


@compiled
def dab_colour(values: Floats, colour: Any) -> Any:
    """Return the RGB colour of a dab, in [0, 1]. values: of the settings. colour: HSV of the stroke."""
    h, s, v = colour
    h += values[p.CHANGE_COLOR_H]
    s += s * v * values[p.CHANGE_COLOR_HSV_S]
    v += values[p.CHANGE_COLOR_V]
    if values[p.CHANGE_COLOR_L] != F0 or values[p.CHANGE_COLOR_HSL_S] != F0:
        r, g, b = hsv_to_rgb(h, s, v)
        h, s, lightness = rgb_to_hsl(r, g, b)
        lightness += values[p.CHANGE_COLOR_L]
        change = f64(s * min(abs(F1 - lightness), abs(lightness))) * 2.0 * f64(values[p.CHANGE_COLOR_HSL_S])
        r, g, b = hsl_to_rgb(h, f32(f64(s) + change), lightness)
        h, s, v = rgb_to_hsv(r, g, b)
    return hsv_to_rgb(h, s, v)
