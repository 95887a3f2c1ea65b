"""TODO: artkit_mypaint.brush_settings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from artkit_mypaint import libmypaint as libmypaint

VISIBLE_RADIUS_STD = 0.2  # deviation of the logarithm of a dab's radius that one sees in a stroke


_PRESSURE_SAMPLES = 17  # pressures at which is known how broad a brush is


_LIBRARY_DEFAULTS: dict[str, tuple[float, list[list[float]]]] = {
    "hardness": (0.8, []), "radius_by_random": (0.0, []), "radius_logarithmic": (2.0, []), "opaque": (1.0, []),
    "opaque_multiply": (0.0, [[0.0, 0.0], [1.0, 1.0]]), "opaque_linearize": (0.9, []),
    "dabs_per_actual_radius": (2.0, []), "dabs_per_basic_radius": (0.0, []),
    "offset_by_random": (0.0, []),
}  # fmt: skip
"""What the library takes for settings that a brush does not tell: base value, and what pressure adds."""


def setting_by_pressure(settings: Any, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A setting at pressures evenly from 0 to 1, (_SWELL,)."""
    base, points = _LIBRARY_DEFAULTS[name]
    if name in settings:
        base, points = settings[name]["base_value"], settings[name]["inputs"].get("pressure", [])
    if not points:
        return np.full(_PRESSURE_SAMPLES, float(base))
    x, y = zip(*points, strict=True)
    return float(base) + np.asarray(np.interp(np.linspace(0, 1, _PRESSURE_SAMPLES), x, y))


def pressure_radius_curve(settings: Any) -> tuple[tuple[float, ...], float]:
    """Swell and broadest of a `Brush`."""
    radius = setting_by_pressure(settings, "radius_logarithmic")
    base = settings.get("radius_logarithmic", {"base_value": radius[0]})["base_value"]
    if not np.ptp(radius):
        return (), float(radius[0] - base)
    return tuple((radius - radius.max()).round(4).tolist()), float(radius.max() - base)


def dab_shape(settings: Any) -> tuple[float, float, tuple[float, ...]]:
    """The dab of a `Brush`. Its opacity is what MyPaint makes of it: for many dabs on one another it is corrected."""
    told = {name: setting_by_pressure(settings, name) for name in _LIBRARY_DEFAULTS}
    opacity = (told["opaque"].clip(min=0) * told["opaque_multiply"]).clip(0, 1)
    dabs_of_strokes = (2 * (told["dabs_per_actual_radius"] + told["dabs_per_basic_radius"])).clip(min=1)
    opacity = 1 - (1 - opacity) ** (1 / (1 + told["opaque_linearize"] * (dabs_of_strokes - 1)))
    hardness, vary = (float(told[name][_PRESSURE_SAMPLES // 2]) for name in ("hardness", "radius_by_random"))
    return min(max(hardness, 0.05), 0.95), min(max(vary, 0.0), 0.7), tuple(opacity.round(4).tolist())


def check_settings(settings: Any) -> None:
    """Raises ValueError, TypeError, KeyError or AttributeError for settings on which the library would end the
    process.
    """
    for name, told in settings.items():
        curves = {"": [(told["base_value"], 0.0)], **told["inputs"]}
        for points in curves.values():
            if not all(math.isfinite(x) and math.isfinite(y) for x, y in points):
                raise ValueError(f"a value of {name} is not a number")
        if any(len(points) == 1 or len(points) > 64 for points in told["inputs"].values()):
            raise ValueError(f"a curve of {name} has not 2 to 64 points")
