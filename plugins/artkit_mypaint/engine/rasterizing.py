"""Dabs to pixels, in the integer arithmetic of libmypaint: the same coverage to the last bit. Compiled with numba.

Pixels are 15-bit fixed point: `ONE` stands for 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from artkit_mypaint.engine.dynamics import (
    DAB_ANGLE,
    DAB_HARDNESS,
    DAB_OPACITY,
    DAB_RADIUS,
    DAB_RATIO,
    DAB_X,
    DAB_Y,
)

ONE = 1 << 15

f32, f64, u32 = np.float32, np.float64, np.uint32
_0, _HALF, _1 = f32(0), f32(0.5), f32(1)
_MIN_RADIUS = f32(0.1)  # smaller dabs are not drawn
_MAX_SOFTENED_RADIUS = f32(3)  # edges of smaller dabs are anti-aliased
_PIXEL_RADIUS = f32(math.sqrt(1 / math.pi))  # of a disc with the area of a pixel
_SCALE = f32(ONE)
_SHIFT = u32(15)


@njit(inline="always")
def _mask(distance2: Any, hardness: Any, slope1: Any, slope2: Any) -> Any:
    """Opacity of a dab, fixed point, at a squared distance from its centre in radii: two linear pieces."""
    value = _1 + distance2 * slope1 if distance2 <= hardness else slope2 - distance2 * slope2
    return u32(np.int32(value * _SCALE)) if distance2 <= _1 else u32(0)


@njit(inline="always")
def _squared_distance(x: Any, y: Any, cos: Any, sin: Any, ratio: Any) -> Any:
    across, along = (y * cos - x * sin) * ratio, y * sin + x * cos
    return across * across + along * along


@njit(inline="always")
def _softened_distance(x: Any, y: Any, cos: Any, sin: Any, ratio: Any, per_radius2: Any, core: Any) -> Any:
    """The anti-aliased squared distance, in radii, of a pixel whose centre lies at (x, y) px from the dab's centre.

    libmypaint averages over a pixel by its point nearest to the dab's axis and one that lies `_PIXEL_RADIUS` away.
    """
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
    far = far2 * per_radius2
    return (far + near) * _HALF if far2 < core else _1 - (_1 - near) / (_1 + far - near)


@njit(inline="always")
def draw_dab(pixels: npt.NDArray[np.uint16], dab: npt.NDArray[np.float32], x: Any, y: Any, colour: Any) -> None:
    """Composite a dab over pixels.

    pixels (h, w, 1 or 4): coverage alone, or premultiplied red, green, blue and alpha. x, y: the dab's centre in px
    from the upper left corner. colour: three uint32, fixed point; not used for coverage alone.
    """
    radius, hardness, opacity = dab[DAB_RADIUS], min(max(dab[DAB_HARDNESS], _0), _1), dab[DAB_OPACITY]
    if not (radius >= _MIN_RADIUS and hardness > _0 and opacity > _0 and abs(x) < f32(1e8) and abs(y) < f32(1e8)):
        return
    height, width, channels = pixels.shape
    fringe = min(radius + _1, f32(1e8))
    x0, x1 = max(int(math.floor(x - fringe)), 0), min(int(math.floor(x + fringe)), width - 1)
    y0, y1 = max(int(math.floor(y - fringe)), 0), min(int(math.floor(y + fringe)), height - 1)
    if x1 < x0 or y1 < y0:
        return
    factor = u32(min(opacity, _1) * _SCALE)
    ratio = max(dab[DAB_RATIO], _1)
    slope1 = -(_1 / hardness - _1)
    slope2 = hardness / (_1 - hardness) if hardness < _1 else _0
    per_radius2 = _1 / (radius * radius)
    radians = f64(dab[DAB_ANGLE] / f32(360) * f32(2 * math.pi))
    cos, sin = f32(math.cos(radians)), f32(math.sin(radians))
    softened = radius < _MAX_SOFTENED_RADIUS
    core = max(radius - _1, _0)
    core = core * core / ratio
    alpha = channels - 1
    for row in range(y0, y1 + 1):
        dy = f32(row) + _HALF - y
        for column in range(x0, x1 + 1):
            dx = f32(column) + _HALF - x
            if softened:  # libmypaint measures from the pixel to the dab here
                distance2 = _softened_distance(-dx, -dy, cos, sin, ratio, per_radius2, core)
            else:
                distance2 = _squared_distance(dx, dy, cos, sin, ratio) * per_radius2
            top = _mask(distance2, hardness, slope1, slope2) * factor >> _SHIFT
            bottom = u32(ONE) - top
            for channel in range(alpha):
                below = u32(pixels[row, column, channel])
                pixels[row, column, channel] = np.uint16((top * colour[channel] + bottom * below) >> _SHIFT)
            pixels[row, column, alpha] = np.uint16(top + (bottom * u32(pixels[row, column, alpha]) >> _SHIFT))


@njit(cache=True, nogil=True, _nrt=False)
def draw_dabs(
    pixels: npt.NDArray[np.uint16], dabs: npt.NDArray[np.float32], x: Any, y: Any, colour: npt.NDArray[np.uint32]
) -> None:
    """Composite dabs over pixels in their order. x, y: added to their centres."""
    for index in range(dabs.shape[0]):
        draw_dab(pixels, dabs[index], dabs[index, DAB_X] + x, dabs[index, DAB_Y] + y, colour)
