"""The arithmetic of libmypaint in Triton: single precision that is rounded correctly, where Triton's own is not."""

from __future__ import annotations

import math

import triton
import triton.language as tl

DEGREES = tl.constexpr(360.0 / (2 * math.pi))
PI = tl.constexpr(math.pi)
HALF_PI = tl.constexpr(math.pi / 2)
QUARTER_PI = tl.constexpr(math.pi / 4)
TAN_PI_8 = tl.constexpr(math.sqrt(2) - 1)


@triton.jit
def div(a, b):
    """Return a / b; Triton's own division of single precision is approximate."""
    return tl.math.div_rn(a, b)


@triton.jit
def exp(x):
    """Return the exponential function in single precision."""
    return tl.exp(x.to(tl.float64)).to(tl.float32)


@triton.jit
def hypot(x, y):
    """Return the length of (x, y) in single precision."""
    x, y = x.to(tl.float64), y.to(tl.float64)
    return tl.sqrt(x * x + y * y).to(tl.float32)


@triton.jit
def decay(time_constant, time):
    """Return what is left of a value after a time."""
    return tl.where(time_constant <= 0.001, 0.0, exp(div(-time, time_constant)))


@triton.jit
def mod(a, n: tl.constexpr):
    """Return a modulo n, with the sign of n."""
    return a - n * tl.floor(div(a, n))


@triton.jit
def angle_difference(a, b):
    """Return b - a in degrees, in [-180, 180]."""
    difference = mod(b - a + 180.0, 360.0) - 180.0
    return tl.where(
        difference > 180.0, difference - 360.0, tl.where(difference < -180.0, difference + 360.0, difference)
    )


@triton.jit
def clamp(value, low, high):
    """Limit a value to [low, high]."""
    return tl.minimum(tl.maximum(value, low), high)


@triton.jit
def degrees(y, x):
    """Return the angle of (x, y) in double precision.

    The arcus tangent is that of the Cephes library, for arguments below tan(pi / 8).
    """
    x, y = x.to(tl.float64), y.to(tl.float64)
    width, height = tl.abs(x), tl.abs(y)
    longer = tl.maximum(width, height)
    slope = tl.where(longer > 0.0, tl.minimum(width, height) / tl.where(longer > 0.0, longer, 1.0), 0.0)
    steep = slope > TAN_PI_8
    t = tl.where(steep, (slope - 1.0) / (slope + 1.0), slope)
    z = t * t
    top = -8.750608600031904122785e-1 * z - 1.615753718733365076637e1
    top = (top * z - 7.500855792314704667340e1) * z - 1.228866684490136173410e2
    top = top * z - 6.485021904942025371773e1
    bottom = (z + 2.485846490142306297962e1) * z + 1.650270098316988542046e2
    bottom = (bottom * z + 4.328810604912902668951e2) * z + 4.853903996359136964868e2
    bottom = bottom * z + 1.945506571482613964425e2
    angle = t * (z * top / bottom) + t
    angle = tl.where(steep, angle + QUARTER_PI, angle)
    angle = tl.where(height > width, HALF_PI - angle, angle)
    angle = tl.where(x < 0.0, PI - angle, angle)
    angle = tl.where(y < 0.0, -angle, angle)
    return angle.to(tl.float32).to(tl.float64) * DEGREES


@triton.jit
def cos_sin_of_degrees(angle):
    """Return cosine and sine of an angle in degrees."""
    radians = (angle.to(tl.float64) * PI / 180.0).to(tl.float32).to(tl.float64)
    return tl.cos(radians).to(tl.float32), tl.sin(radians).to(tl.float32)


@triton.jit
def select(mask, a, b):
    """Return the tuple of the elements of a where a mask is set, otherwise of b."""
    result = ()
    for k in tl.static_range(len(a)):
        result = result + (tl.where(mask, a[k], b[k]),)
    return result


@triton.jit
def replaced(values, index: tl.constexpr, value):
    """Return a tuple with another element at an index."""
    return values[:index] + (value,) + values[index + 1 :]
