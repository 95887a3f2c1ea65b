"""The state of a brush by index, the layout of a dab, and the arithmetic of libmypaint, compiled with numba."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from artkit_mypaint.engine.brush_program import SETTINGS
from artkit_mypaint.engine.compilation import inlined

DAB_X, DAB_Y, DAB_RADIUS, DAB_OPACITY, DAB_HARDNESS, DAB_RATIO, DAB_ANGLE, DAB_TIME, DAB_PRESSURE = range(9)
DAB_SIZE = 9
COLOURED_DAB_SIZE = 12
"""Values of a dab: centre and radius in px, opacity, hardness, aspect ratio, angle in degrees; the pen event at which
it is drawn, with a fraction of the way from the event before; and the pressure there. Dabs of a brush that changes its
colour have three more: RGB in [0, 1].
"""

# The state of a brush, by index.
(X, Y, PRESSURE, ACTUAL_X, ACTUAL_Y, ACTUAL_RADIUS, RATIO, ANGLE, PARTIAL_DABS, BASIC_DENSITY, ACTUAL_DENSITY,
 TIME_DENSITY, SPEED1, SPEED2, SPEED_X, SPEED_Y, DIRECTION_X, DIRECTION_Y, DIRECTION360_X, DIRECTION360_Y, CUSTOM,
 STROKE, STARTED, DECLINATION, ASCENSION, DECLINATION_X, DECLINATION_Y, FLIP, RANDOM, SKIP, SKIP_X, SKIP_Y,
 SKIPPED_TIME) = range(33)  # fmt: skip
STATE_SIZE = 33

MEMORY_SHAPE = (4, max(STATE_SIZE, len(SETTINGS)))
"""Of the working memory of `stroke_dabs`: state, base values, values of settings, inputs."""

Floats = npt.NDArray[np.float32]

f32, f64 = np.float32, np.float64
F0, HALF, F1, F2 = f32(0), f32(0.5), f32(1), f32(2)
F90, F180, F360 = f32(90), f32(180), f32(360)
MIN_RADIUS, MAX_RADIUS = f32(0.2), f32(1000)
TWO_PI = 2 * math.pi


@inlined
def decay(time_constant: Any, time: Any) -> Any:
    """Return what is left of a value after a time."""
    return F0 if time_constant <= f32(0.001) else f32(math.exp(-time / time_constant))


@inlined
def mod(a: Any, n: Any) -> Any:
    """Return a modulo n, with the sign of n."""
    return f32(a - n * f32(math.floor(a / n)))


@inlined
def angle_difference(a: Any, b: Any) -> Any:
    """Return b - a in degrees, in [-180, 180]."""
    difference = mod(b - a + F180, F360) - F180
    if difference > F180:
        return difference - F360
    return difference + F360 if difference < -F180 else difference


@inlined
def clamp(value: Any, low: Any, high: Any) -> Any:
    """Limit a value to [low, high]."""
    return min(max(value, low), high)


@inlined
def degrees(y: Any, x: Any) -> Any:
    """Return the angle of (x, y), a double."""
    return f64(f32(math.atan2(y, x))) / TWO_PI * 360.0


@inlined
def cos_sin_of_degrees(angle: Any) -> Any:
    """Return cosine and sine of an angle in degrees."""
    radians = f64(f32(f64(angle) * math.pi / 180.0))
    return f32(math.cos(radians)), f32(math.sin(radians))
