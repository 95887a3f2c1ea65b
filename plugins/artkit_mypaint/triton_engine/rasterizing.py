"""Dabs to coverages in Triton, in the integer arithmetic of libmypaint: see `artkit_mypaint.engine.rasterizing`.

A program draws all dabs of a stroke on a block of its patch, whose pixels stay in registers.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import triton
import triton.language as tl

from artkit_mypaint.engine.state import COLOURED_DAB_SIZE
from artkit_mypaint.triton_engine.arithmetic import div

_ONE = tl.constexpr(1 << 15)
_SCALE = tl.constexpr(float(1 << 15))
_MIN_RADIUS = tl.constexpr(0.1)
_MAX_SOFTENED_RADIUS = tl.constexpr(3.0)
_UPRIGHT = tl.constexpr(-90.0)
_PIXEL_RADIUS = tl.constexpr(math.sqrt(1 / math.pi))
_TWO_PI = tl.constexpr(2 * math.pi)
_FAR = tl.constexpr(1e8)
_COLOURED = tl.constexpr(COLOURED_DAB_SIZE)


class Dab(NamedTuple):
    """A dab, scalars: centre and radius in px, aspect ratio, angle in degrees, and `core`, below which squared distance
    a pixel lies wholly within it.
    """

    x: Any
    y: Any
    radius: Any
    ratio: Any
    angle: Any
    core: Any


@triton.jit
def _squared_distance(x, y, cos, sin, ratio):
    across, along = (y * cos - x * sin) * ratio, y * sin + x * cos
    return across * across + along * along


@triton.jit
def _softened_distance(x, y, cos, sin, dab, per_radius2):
    """The anti-aliased squared distance, in radii, of the dab's centre from a pixel with centre (x, y) px away."""
    central = (tl.abs(x) < 0.5) & (tl.abs(y) < 0.5)
    t = div(x * cos + y * sin, cos * cos + sin * sin)
    near_x = tl.where(central, 0.0, tl.minimum(tl.maximum(cos * t, x - 0.5), x + 0.5))
    near_y = tl.where(central, 0.0, tl.minimum(tl.maximum(sin * t, y - 0.5), y + 0.5))
    near = tl.where(central, 0.0, _squared_distance(near_x, near_y, cos, sin, dab.ratio) * per_radius2)
    side = tl.where((x - cos) * sin - cos * (y + sin) < 0.0, -_PIXEL_RADIUS, _PIXEL_RADIUS)
    far2 = _squared_distance(near_x + sin * side, near_y - cos * side, cos, sin, dab.ratio)
    far = far2 * per_radius2
    mean = tl.where(far2 < dab.core, (far + near) * 0.5, 1.0 - div(1.0 - near, 1.0 + far - near))
    return tl.where(near > 1.0, near, mean)


@triton.jit
def _ellipse(dx, dy, dab):
    """Squared distances of pixels, in radii, from the centre of a dab of any ratio and angle."""
    radians = (div(dab.angle, 360.0) * _TWO_PI).to(tl.float64)
    cos, sin = tl.cos(radians).to(tl.float32), tl.sin(radians).to(tl.float32)
    per_radius2 = div(1.0, dab.radius * dab.radius)
    if dab.radius < _MAX_SOFTENED_RADIUS:
        distance2 = _softened_distance(-dx, -dy, cos, sin, dab, per_radius2)
    else:
        distance2 = _squared_distance(dx, dy, cos, sin, dab.ratio) * per_radius2
    return distance2


@triton.jit
def _circle(dx, dy, dab):
    """Squared distances of pixels, in radii, from the centre of a round, upright dab."""
    per_radius2 = div(1.0, dab.radius * dab.radius)
    dx = tl.abs(dx) + dy * 0.0
    dy2 = dy * dy + dx * 0.0
    if dab.radius < _MAX_SOFTENED_RADIUS:
        near_x = tl.maximum(dx - 0.5, 0.0)
        near_x2, far_x2 = near_x * near_x, (near_x + _PIXEL_RADIUS) * (near_x + _PIXEL_RADIUS)
        dy2 = tl.where((dx < 0.5) & (tl.abs(dy) < 0.5), 0.0, dy2)
        near = (near_x2 + dy2) * per_radius2
        far2 = far_x2 + dy2
        widening = div(1.0, 1.0 + (far_x2 - near_x2) * per_radius2)
        soft = tl.where(far2 < dab.core, (far2 * per_radius2 + near) * 0.5, 1.0 - (1.0 - near) * widening)
        distance2 = tl.where(near > 1.0, near, soft)
    else:
        distance2 = (dx * dx + dy2) * per_radius2
    return distance2


@triton.jit
def _paint(values, pixel_x, pixel_y):
    """Return the opacity that a dab has at pixels, fixed point. values: pointer to the dab."""
    x, y, radius, hardness = tl.load(values), tl.load(values + 1), tl.load(values + 2), _hardness(values)
    ratio = tl.maximum(tl.load(values + 5), 1.0)
    core = tl.maximum(radius - 1.0, 0.0)
    dab = Dab(x, y, radius, ratio, tl.load(values + 6), div(core * core, ratio))
    if (ratio == 1.0) & (dab.angle == _UPRIGHT):
        distance2 = _circle(pixel_x - x, pixel_y - y, dab)
    else:
        distance2 = _ellipse(pixel_x - x, pixel_y - y, dab)
    slope1 = -(div(1.0, hardness) - 1.0)
    slope2 = tl.where(hardness < 1.0, div(hardness, 1.0 - hardness), 0.0)
    value = tl.where(distance2 <= hardness, 1.0 + distance2 * slope1, slope2 - distance2 * slope2)
    mask = tl.where(distance2 <= 1.0, (value * _SCALE).to(tl.int32), 0)
    return mask * (tl.minimum(tl.load(values + 3), 1.0) * _SCALE).to(tl.int32) >> 15


@triton.jit
def _hardness(values):
    return tl.minimum(tl.maximum(tl.load(values + 4), 0.0), 1.0)


@triton.jit
def _is_visible(values, left, top, width: tl.constexpr, height: tl.constexpr):
    """Whether a dab leaves paint in a rectangle."""
    x, y, radius = tl.load(values), tl.load(values + 1), tl.load(values + 2)
    extent = tl.minimum(radius + 1.0, _FAR)
    near_x = (x + extent >= left) & (x - extent < left + width)
    near_y = (y + extent >= top) & (y - extent < top + height)
    painted = (radius >= _MIN_RADIUS) & (_hardness(values) > 0.0) & (tl.load(values + 3) > 0.0)
    return near_x & near_y & painted & (tl.abs(x) < _FAR) & (tl.abs(y) < _FAR)


@triton.jit
def _composite(below, paint, colour):
    """Composite a colour with an opacity over a channel, all of them fixed point."""
    return (paint * colour + (_ONE - paint) * below) >> 15


@triton.jit
def _fixed(value):
    return (value * _SCALE + 0.5).to(tl.int32)


@triton.jit
def draw_patches(
    dabs, counts, corners, patches, capacity, width, height,
    dab_size: tl.constexpr, block_rows: tl.constexpr, block_columns: tl.constexpr,
):  # fmt: skip
    """Draw the dabs of each stroke on a patch of its own.

    dabs (m, capacity, dab_size), counts (m,): see `stroke_dabs`. corners (m, 2) int32: upper left of each patch, in the
    coordinates of the dabs. Writes patches (m, c, height, width), single precision: coverages; or, of dabs with a
    colour, premultiplied RGB and alpha. Grid: (m, blocks of a patch).
    """
    stroke = tl.program_id(0).to(tl.int64)
    blocks = (width + block_columns - 1) // block_columns
    column, row = tl.program_id(1) % blocks * block_columns, tl.program_id(1) // blocks * block_rows
    left, top = tl.load(corners + 2 * stroke) + column, tl.load(corners + 2 * stroke + 1) + row
    pixel_x = ((left + tl.arange(0, block_columns)).to(tl.float32) + 0.5)[None, :]
    pixel_y = ((top + tl.arange(0, block_rows)).to(tl.float32) + 0.5)[:, None]
    alpha = tl.zeros([block_rows, block_columns], tl.int32)
    red, green, blue = alpha, alpha, alpha
    for index in range(tl.load(counts + stroke)):
        values = dabs + (stroke * capacity + index) * dab_size
        if _is_visible(values, left, top, block_columns, block_rows):
            paint = _paint(values, pixel_x, pixel_y)
            alpha = paint + ((_ONE - paint) * alpha >> 15)
            if dab_size == _COLOURED:
                red = _composite(red, paint, _fixed(tl.load(values + 9)))
                green = _composite(green, paint, _fixed(tl.load(values + 10)))
                blue = _composite(blue, paint, _fixed(tl.load(values + 11)))
    rows, columns = row + tl.arange(0, block_rows)[:, None], column + tl.arange(0, block_columns)[None, :]
    inside = (rows < height) & (columns < width)
    area = height * width
    channels = (alpha,)
    if dab_size == _COLOURED:
        channels = (red, green, blue, alpha)
    pixels = patches + stroke * area * len(channels) + rows * width + columns
    for k in tl.static_range(len(channels)):
        tl.store(pixels + k * area, channels[k].to(tl.float32) * (1.0 / _SCALE), mask=inside)


@triton.jit
def draw_window(
    dabs, counts, corners, boxes, colours, pixels, strokes, capacity, width, height,
    dab_size: tl.constexpr, block_rows: tl.constexpr, block_columns: tl.constexpr,
):  # fmt: skip
    """Draw strokes over each other on pixels (height, width, 4) int32: premultiplied RGB and alpha, fixed point.

    dabs (m, capacity, dab_size), counts (m,): see `stroke_dabs`. corners (m, 2) int32: upper left of the pixels, in the
    coordinates of the dabs. boxes (m, 4): left, top, right and bottom of a stroke, in those of the pixels. colours
    (m, 3) int32: of dabs without a colour of their own. Grid: (blocks of the pixels,).
    """
    blocks = (width + block_columns - 1) // block_columns
    column, row = tl.program_id(0) % blocks * block_columns, tl.program_id(0) // blocks * block_rows
    rows, columns = row + tl.arange(0, block_rows)[:, None], column + tl.arange(0, block_columns)[None, :]
    inside = (rows < height) & (columns < width)
    place = pixels + (rows * width + columns) * 4
    red, green = tl.load(place, mask=inside, other=0), tl.load(place + 1, mask=inside, other=0)
    blue, alpha = tl.load(place + 2, mask=inside, other=0), tl.load(place + 3, mask=inside, other=0)
    for stroke in range(strokes):
        box = boxes + 4 * stroke
        near_x = (tl.load(box) < column + block_columns) & (tl.load(box + 2) > column)
        near_y = (tl.load(box + 1) < row + block_rows) & (tl.load(box + 3) > row)
        if near_x & near_y:
            left, top = tl.load(corners + 2 * stroke) + column, tl.load(corners + 2 * stroke + 1) + row
            pixel_x = ((left + tl.arange(0, block_columns)).to(tl.float32) + 0.5)[None, :]
            pixel_y = ((top + tl.arange(0, block_rows)).to(tl.float32) + 0.5)[:, None]
            own = colours + 3 * stroke
            own_red, own_green, own_blue = tl.load(own), tl.load(own + 1), tl.load(own + 2)
            for index in range(tl.load(counts + stroke)):
                values = dabs + index * dab_size
                if _is_visible(values, left, top, block_columns, block_rows):
                    paint = _paint(values, pixel_x, pixel_y)
                    if dab_size == _COLOURED:
                        own_red, own_green = _fixed(tl.load(values + 9)), _fixed(tl.load(values + 10))
                        own_blue = _fixed(tl.load(values + 11))
                    red, green = _composite(red, paint, own_red), _composite(green, paint, own_green)
                    blue, alpha = _composite(blue, paint, own_blue), paint + ((_ONE - paint) * alpha >> 15)
        dabs += capacity * dab_size
    tl.store(place, red, mask=inside)
    tl.store(place + 1, green, mask=inside)
    tl.store(place + 2, blue, mask=inside)
    tl.store(place + 3, alpha, mask=inside)
