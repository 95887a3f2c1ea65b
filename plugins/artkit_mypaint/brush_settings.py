"""Quantities that are computed from the settings of a brush file: radius, opacity and hardness under pressure.

`settings` is the ``"settings"`` object of a ``.myb`` file (JSON): for each setting a base value, and curves that add to
it depending on inputs such as pressure.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from artkit_mypaint.engine.brush_program import setting_or_default

VISIBLE_RADIUS_STD = 0.2
"""Standard deviation of the logarithm of a dab's radius above which two samples of a stroke look different."""

_PRESSURE_SAMPLES = 17  # pressures, evenly spaced in [0, 1], at which settings are evaluated
_HARDNESS_RANGE = (0.05, 0.95)
_MAX_LOG_RADIUS_STD = 0.7
_MAX_NORMAL = 2 * math.sqrt(3)  # the largest normal random number of MyPaint
_MAX_LOG_EXTENT = 12.0
_MAX_VALUE = float(np.finfo(np.float32).max)
_MIN_EXTENT_RADII = 16.0  # for settings that depend on the speed of the pen

_OFFSETS = (
    "offset_x", "offset_y", "offset_angle", "offset_angle_asc", "offset_angle_view", "offset_angle_2",
    "offset_angle_2_asc", "offset_angle_2_view",
)  # fmt: skip
"""Settings that displace dabs, in units of the base radius."""

_DAB_SETTINGS = (
    "hardness", "radius_by_random", "opaque", "opaque_multiply", "opaque_linearize", "dabs_per_actual_radius",
    "dabs_per_basic_radius",
)  # fmt: skip


class DabSettings(NamedTuple):
    """Settings of a brush's dabs.

    hardness: in (0, 1), as MyPaint defines it. log_radius_std: standard deviation of the logarithm of the radius.
    opacity: at evenly spaced pressures from 0 to 1. hardness and log_radius_std are those at pressure 1/2.
    """

    hardness: float
    log_radius_std: float
    opacity: tuple[float, ...]


def setting_by_pressure(settings: Any, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Evaluate a setting at evenly spaced pressures from 0 to 1: (_PRESSURE_SAMPLES,)."""
    base, inputs = setting_or_default(settings, name)
    points = inputs.get("pressure", [])
    if not points:
        return np.full(_PRESSURE_SAMPLES, float(base))
    x, y = zip(*points, strict=True)
    return float(base) + np.asarray(np.interp(np.linspace(0, 1, _PRESSURE_SAMPLES), x, y))


def pressure_radius_curve(settings: Any) -> tuple[tuple[float, ...], float]:
    """Return `pressure_radius_curve` and `max_radius_offset` of a `Brush`."""
    log_radius = setting_by_pressure(settings, "radius_logarithmic")
    base, _ = setting_or_default(settings, "radius_logarithmic")
    if not np.ptp(log_radius):
        return (), float(log_radius[0] - base)
    return tuple((log_radius - log_radius.max()).round(4).tolist()), float(log_radius.max() - base)


def max_extent_radii(settings: Any, max_radius_offset: float) -> float:
    """Return how far from the path of a stroke its paint may lie, in units of its largest radius.

    Includes dabs that are displaced or enlarged at random: MyPaint's normal random numbers are bounded.
    """

    def largest(name: str) -> float:
        base, inputs = setting_or_default(settings, name)
        return float(abs(base) + sum(max(abs(y) for _, y in points) for points in inputs.values() if points))

    _, radius = setting_or_default(settings, "radius_logarithmic")
    increase = sum(max(y for _, y in points) for points in radius.values() if points) - max_radius_offset
    radius_ratio = math.exp(min(increase + _MAX_NORMAL * largest("radius_by_random"), _MAX_LOG_EXTENT))
    displacement = _MAX_NORMAL * (largest("offset_by_random") + largest("tracking_noise"))
    directed = sum(map(largest, _OFFSETS)) * math.exp(min(largest("offset_multiplier"), _MAX_LOG_EXTENT))
    base_ratio = math.exp(min(-max_radius_offset, _MAX_LOG_EXTENT))
    return max(_MIN_EXTENT_RADII, radius_ratio + base_ratio * (displacement + directed))


def dab_settings(settings: Any) -> DabSettings:
    """Compute the settings of the dabs. As in MyPaint, the opacity is reduced for the number of dabs that overlap."""
    values = {name: setting_by_pressure(settings, name) for name in _DAB_SETTINGS}
    opacity = (values["opaque"].clip(min=0) * values["opaque_multiply"]).clip(0, 1)
    overlapping = (2 * (values["dabs_per_actual_radius"] + values["dabs_per_basic_radius"])).clip(min=1)
    opacity = 1 - (1 - opacity) ** (1 / (1 + values["opaque_linearize"].clip(min=0) * (overlapping - 1)))
    hardness, log_radius_std = (
        float(values[name][_PRESSURE_SAMPLES // 2]) for name in ("hardness", "radius_by_random")
    )
    low, high = _HARDNESS_RANGE
    return DabSettings(
        hardness=min(max(hardness, low), high),
        log_radius_std=min(max(log_radius_std, 0.0), _MAX_LOG_RADIUS_STD),
        opacity=tuple(opacity.round(4).tolist()),
    )


def checked_settings(settings: Any) -> dict[str, Any]:
    """Return the settings of a brush file with all values as floats.

    Raises ValueError, TypeError, KeyError or AttributeError for settings that are not as MyPaint writes them, or on
    which libmypaint would end the process.
    """
    for name, setting in settings.items():
        curves = {"": [(setting["base_value"], 0.0)], **setting["inputs"]}
        for points in curves.values():
            if not all(abs(value) <= _MAX_VALUE for x, y in points for value in (x, y)):
                raise ValueError(f"a value of {name} is not a number")
        if any(len(points) == 1 or len(points) > 64 for points in setting["inputs"].values()):
            raise ValueError(f"a curve of {name} does not have 2 to 64 points")
    return {
        name: {
            **setting,
            "base_value": float(setting["base_value"]),
            "inputs": {key: [[float(x), float(y)] for x, y in points] for key, points in setting["inputs"].items()},
        }
        for name, setting in settings.items()
    }
