"""Dabs to pixels, in the integer arithmetic of libmypaint. Compiled with numba.

Pixels are 15-bit fixed point: `ONE` stands for 1. A dab's opacity falls from its centre to its edge as two linear
functions of the squared distance, which meet where that equals the hardness.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from artkit_mypaint.engine.compilation import compiled, inlined
from artkit_mypaint.engine.state import (
    COLOURED_DAB_SIZE,
    DAB_ANGLE,
    DAB_HARDNESS,
    DAB_OPACITY,
    DAB_RADIUS,
    DAB_RATIO,
    DAB_SIZE,
    DAB_X,
    DAB_Y,
)

ONE = 1 << 15

f32, f64, u32 = np.float32, np.float64, np.uint32
_0, _HALF, _1 = f32(0), f32(0.5), f32(1)
_MIN_RADIUS = f32(0.1)  # smaller dabs are not drawn
_MAX_SOFTENED_RADIUS = f32(3)  # edges of smaller dabs are anti-aliased
_UPRIGHT = f32(-90)  # the angle of dabs unless a brush turns them
_PIXEL_RADIUS = f32(math.sqrt(1 / math.pi))  # of a disc with the area of a pixel
_FAR = f32(1e8)
_SCALE = f32(ONE)
_SHIFT = u32(15)

_Pixels = npt.NDArray[np.uint16]


@inlined
def _mask(distance2: Any, hardness: Any, slope1: Any, slope2: Any) -> Any:
    """Opacity of a dab, fixed point, at a squared distance from its centre in radii."""
    value = _1 + distance2 * slope1 if distance2 <= hardness else slope2 - distance2 * slope2
    return u32(np.int32(value * _SCALE)) if distance2 <= _1 else u32(0)


@inlined
def _fixed(value: Any) -> Any:
    return u32(value * _SCALE + _HALF)


@inlined
def _composite(pixels: _Pixels, row: int, column: int, top: Any, colour: Any) -> None:
    """Composite a colour of opacity `top`, fixed point, over a pixel."""
    bottom = u32(ONE) - top
    alpha = pixels.shape[2] - 1
    for channel in range(alpha):
        below = u32(pixels[row, column, channel])
        pixels[row, column, channel] = np.uint16((top * colour[channel] + bottom * below) >> _SHIFT)
    pixels[row, column, alpha] = np.uint16(top + (bottom * u32(pixels[row, column, alpha]) >> _SHIFT))


@inlined
def _squared_distance(x: Any, y: Any, cos: Any, sin: Any, ratio: Any) -> Any:
    across, along = (y * cos - x * sin) * ratio, y * sin + x * cos
    return across * across + along * along


@inlined
def _antialiased(near: Any, far: Any, inside: bool) -> Any:
    """Mean squared distance over a pixel, from those of its nearest point and of one that lies further out."""
    return (far + near) * _HALF if inside else _1 - (_1 - near) / (_1 + far - near)


@inlined
def _softened_distance(x: Any, y: Any, cos: Any, sin: Any, ratio: Any, per_radius2: Any, core: Any) -> Any:
    """The anti-aliased squared distance, in radii, of the dab's centre from a pixel with centre (x, y) px away."""
    if abs(x) < _HALF and abs(y) < _HALF:
        near_x, near_y, near = _0, _0, _0
    else:
        t = (x * cos + y * sin) / (cos * cos + sin * sin)
        near_x = min(max(cos * t, x - _HALF), x + _HALF)
        near_y = min(max(sin * t, y - _HALF), y + _HALF)
        near = _squared_distance(near_x, near_y, cos, sin, ratio) * per_radius2
    if near > _1:
        return near
    side = -_PIXEL_RADIUS if (x - cos) * sin - cos * (y + sin) < _0 else _PIXEL_RADIUS
    far2 = _squared_distance(near_x + sin * side, near_y - cos * side, cos, sin, ratio)
    return _antialiased(near, far2 * per_radius2, far2 < core)


@inlined
def _draw_ellipse(
    pixels: _Pixels, box: Any, x: Any, y: Any, left: int, top: int, shape: Any, profile: Any, colour: Any
) -> None:
    """Draw a dab of any ratio and angle."""
    x0, x1, y0, y1 = box
    radius, ratio, angle, core = shape
    hardness, slope1, slope2, factor = profile
    radians = f64(angle / f32(360) * f32(2 * math.pi))
    cos, sin = f32(math.cos(radians)), f32(math.sin(radians))
    per_radius2 = _1 / (radius * radius)
    for row in range(y0, y1 + 1):
        dy = f32(row) + _HALF - y
        for column in range(x0, x1 + 1):
            dx = f32(column) + _HALF - x
            if radius < _MAX_SOFTENED_RADIUS:
                distance2 = _softened_distance(-dx, -dy, cos, sin, ratio, per_radius2, core)
            else:
                distance2 = _squared_distance(dx, dy, cos, sin, ratio) * per_radius2
            if distance2 <= _1:
                opacity = _mask(distance2, hardness, slope1, slope2) * factor >> _SHIFT
                _composite(pixels, row - top, column - left, opacity, colour)


@inlined
def _draw_circle(
    pixels: _Pixels, box: Any, x: Any, y: Any, left: int, top: int, shape: Any, profile: Any, colour: Any
) -> None:
    """`_draw_ellipse` for round, upright dabs, of which most is the same for all pixels of a column."""
    x0, x1, y0, y1 = box
    radius, _, _, core = shape
    hardness, slope1, slope2, factor = profile
    softened = radius < _MAX_SOFTENED_RADIUS
    radius2 = radius * radius
    per_radius2 = _1 / radius2
    for column in range(x0, x1 + 1):
        dx = abs(f32(column) + _HALF - x)
        near_x = max(dx - _HALF, _0) if softened else dx
        near_x2, far_x2 = near_x * near_x, (near_x + _PIXEL_RADIUS) * (near_x + _PIXEL_RADIUS)
        if near_x2 > radius2:
            continue
        half = f32(math.sqrt(radius2 - near_x2)) + _1
        widening = _1 / (_1 + (far_x2 - near_x2) * per_radius2)
        for row in range(max(y0, math.floor(y - half)), min(y1, math.floor(y + half)) + 1):
            dy = f32(row) + _HALF - y
            dy2 = dy * dy
            if softened and dx < _HALF and abs(dy) < _HALF:
                dy2 = _0  # the centre lies in this pixel
            distance2 = (near_x2 + dy2) * per_radius2
            if distance2 <= _1:
                if softened:
                    far2 = far_x2 + dy2
                    if far2 < core:
                        distance2 = (far2 * per_radius2 + distance2) * _HALF
                    else:
                        distance2 = _1 - (_1 - distance2) * widening
                opacity = _mask(distance2, hardness, slope1, slope2) * factor >> _SHIFT
                _composite(pixels, row - top, column - left, opacity, colour)


@compiled
def draw_dabs(
    pixels: _Pixels, dabs: npt.NDArray[np.float32], left: int, top: int, colour: npt.NDArray[np.uint32]
) -> None:
    """Composite dabs over pixels in their order.

    pixels (h, w, 1 or 4): coverage alone, or premultiplied red, green, blue and alpha. dabs (k, 9 or 12). left, top:
    upper left corner of the pixels, in the coordinates of the dabs. Adding it to the centres of dabs would round them,
    and a pixel would depend on the window. colour (3,): fixed point, of dabs without a colour of their own.
    """
    height, width, _ = pixels.shape
    for index in range(dabs.shape[0]):
        dab = dabs[index]
        paint = (colour[0], colour[1], colour[2])
        if dabs.shape[1] == COLOURED_DAB_SIZE:
            paint = (_fixed(dab[DAB_SIZE]), _fixed(dab[DAB_SIZE + 1]), _fixed(dab[DAB_SIZE + 2]))
        radius, hardness, opacity = dab[DAB_RADIUS], min(max(dab[DAB_HARDNESS], _0), _1), dab[DAB_OPACITY]
        x, y = dab[DAB_X], dab[DAB_Y]
        if not (radius >= _MIN_RADIUS and hardness > _0 and opacity > _0):
            continue
        if not (abs(x) < _FAR and abs(y) < _FAR):
            continue
        fringe = min(radius + _1, _FAR)
        x0, x1 = max(math.floor(x - fringe), left), min(math.floor(x + fringe), left + width - 1)
        y0, y1 = max(math.floor(y - fringe), top), min(math.floor(y + fringe), top + height - 1)
        if x1 < x0 or y1 < y0:
            continue
        ratio = max(dab[DAB_RATIO], _1)
        core = max(radius - _1, _0)
        shape = (radius, ratio, dab[DAB_ANGLE], core * core / ratio)
        slope2 = hardness / (_1 - hardness) if hardness < _1 else _0
        profile = (hardness, -(_1 / hardness - _1), slope2, u32(min(opacity, _1) * _SCALE))
        if ratio == _1 and dab[DAB_ANGLE] == _UPRIGHT:
            _draw_circle(pixels, (x0, x1, y0, y1), x, y, left, top, shape, profile, paint)
        else:
            _draw_ellipse(pixels, (x0, x1, y0, y1), x, y, left, top, shape, profile, paint)
