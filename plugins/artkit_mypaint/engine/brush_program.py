"""A brush as arrays that the kernels read: base values, and curves that add to them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

SETTINGS = (
    "opaque", "opaque_multiply", "opaque_linearize", "radius_logarithmic", "hardness", "anti_aliasing",
    "dabs_per_basic_radius", "dabs_per_actual_radius", "dabs_per_second", "radius_by_random",
    "speed1_slowness", "speed2_slowness", "offset_by_random", "offset_by_speed", "offset_by_speed_slowness",
    "slow_tracking", "slow_tracking_per_dab", "tracking_noise", "stroke_threshold", "stroke_duration_logarithmic",
    "stroke_holdtime", "custom_input", "custom_input_slowness", "elliptical_dab_ratio", "elliptical_dab_angle",
    "direction_filter", "snap_to_pixel", "pressure_gain_log", "offset_y", "offset_x", "offset_angle",
    "offset_angle_asc", "offset_angle_view", "offset_angle_2", "offset_angle_2_asc", "offset_angle_2_view",
    "offset_angle_adj", "offset_multiplier", "gridmap_scale", "gridmap_scale_x", "gridmap_scale_y",
    "change_color_h", "change_color_l", "change_color_v", "change_color_hsl_s", "change_color_hsv_s",
)  # fmt: skip
"""The settings that decide on the dabs of a stroke, their place, look and colour, by their index in the arrays."""

(OPAQUE, OPAQUE_MULTIPLY, OPAQUE_LINEARIZE, RADIUS_LOGARITHMIC, HARDNESS, ANTI_ALIASING,
 DABS_PER_BASIC_RADIUS, DABS_PER_ACTUAL_RADIUS, DABS_PER_SECOND, RADIUS_BY_RANDOM,
 SPEED1_SLOWNESS, SPEED2_SLOWNESS, OFFSET_BY_RANDOM, OFFSET_BY_SPEED, OFFSET_BY_SPEED_SLOWNESS,
 SLOW_TRACKING, SLOW_TRACKING_PER_DAB, TRACKING_NOISE, STROKE_THRESHOLD, STROKE_DURATION,
 STROKE_HOLDTIME, CUSTOM_INPUT, CUSTOM_INPUT_SLOWNESS, DAB_RATIO, DAB_ANGLE,
 DIRECTION_FILTER, SNAP_TO_PIXEL, PRESSURE_GAIN, OFFSET_Y, OFFSET_X, OFFSET_ANGLE,
 OFFSET_ANGLE_ASC, OFFSET_ANGLE_VIEW, OFFSET_ANGLE_2, OFFSET_ANGLE_2_ASC, OFFSET_ANGLE_2_VIEW,
 OFFSET_ANGLE_ADJ, OFFSET_MULTIPLIER, GRIDMAP_SCALE, GRIDMAP_SCALE_X, GRIDMAP_SCALE_Y,
 CHANGE_COLOR_H, CHANGE_COLOR_L, CHANGE_COLOR_V, CHANGE_COLOR_HSL_S, CHANGE_COLOR_HSV_S) = range(46)  # fmt: skip

DEFAULTS: dict[str, float] = {
    "opaque": 1.0, "opaque_linearize": 0.9, "radius_logarithmic": 2.0, "hardness": 0.8, "anti_aliasing": 1.0,
    "dabs_per_actual_radius": 2.0, "speed1_slowness": 0.04, "speed2_slowness": 0.8, "speed1_gamma": 4.0,
    "speed2_gamma": 4.0, "offset_by_speed_slowness": 1.0, "stroke_duration_logarithmic": 4.0,
    "elliptical_dab_ratio": 1.0, "elliptical_dab_angle": 90.0, "direction_filter": 2.0,
    "gridmap_scale_x": 1.0, "gridmap_scale_y": 1.0,
}  # fmt: skip
"""Base values of settings that a brush file omits; 0 for all others."""

DEFAULT_CURVES: dict[str, dict[str, list[list[float]]]] = {"opaque_multiply": {"pressure": [[0.0, 0.0], [1.0, 1.0]]}}
"""Curves of settings that a brush file omits."""

INPUTS = (
    "pressure", "speed1", "speed2", "random", "stroke", "direction", "tilt_declination", "tilt_ascension", "custom",
    "direction_angle", "attack_angle", "tilt_declinationx", "tilt_declinationy", "gridmap_x", "gridmap_y", "viewzoom",
    "barrel_rotation", "brush_radius",
)  # fmt: skip
"""The inputs of curves, in the order in which libmypaint adds them."""

(PRESSURE, SPEED1, SPEED2, RANDOM, STROKE, DIRECTION, TILT_DECLINATION, TILT_ASCENSION, CUSTOM,
 DIRECTION_ANGLE, ATTACK_ANGLE, TILT_DECLINATION_X, TILT_DECLINATION_Y, GRIDMAP_X, GRIDMAP_Y, VIEWZOOM,
 BARREL_ROTATION, BRUSH_RADIUS) = range(len(INPUTS))  # fmt: skip

USES_SPEED1, USES_SPEED2, USES_OFFSET_BY_SPEED, USES_DIRECTION = 1, 2, 4, 8
USES_CUSTOM, USES_STROKE, USES_GRIDMAP, USES_OFFSETS, USES_COLOUR = 16, 32, 64, 128, 256

COLOUR_CHANGES = SETTINGS[CHANGE_COLOR_H:]
"""The settings with which a brush changes its colour within a stroke."""


class BrushProgram(NamedTuple):
    """A brush as the kernels read it.

    base (S,): base value of each setting. curved (k, 3): index of a setting with curves, and the range of its curves.
    curves (c, 3): input, first point and number of points of each curve. x, y (p,): points of all curves. uses: flags
    of what the brush depends on; the kernels compute nothing else. speed_maps (2, 3): gamma, factor and offset with
    which the inputs ``speed1`` and ``speed2`` follow from speeds.
    """

    base: npt.NDArray[np.float32]
    curved: npt.NDArray[np.int64]
    curves: npt.NDArray[np.int64]
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]
    uses: int
    speed_maps: npt.NDArray[np.float32]

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> BrushProgram:
        """Compile the checked settings of a brush file; settings and inputs with other names are ignored."""
        base = np.zeros(len(SETTINGS), np.float32)
        curved: list[tuple[int, int, int]] = []
        curves: list[tuple[int, int, int]] = []
        points: list[list[float]] = []
        inputs_used: set[str] = set()
        for index, name in enumerate(SETTINGS):
            base[index], inputs = setting_or_default(settings, name)
            first = len(curves)
            for input_index, input_name in enumerate(INPUTS):
                if curve := inputs.get(input_name):
                    inputs_used.add(input_name)
                    curves.append((input_index, len(points), len(curve)))
                    points += curve
            if len(curves) > first:
                curved.append((index, first, len(curves)))
        x, y = np.array(points, np.float32).reshape(-1, 2).T
        varying = {SETTINGS[index] for index, *_ in curved} | {SETTINGS[i] for i in np.flatnonzero(base)}
        return cls(
            base,
            np.array(curved, np.int64).reshape(-1, 3),
            np.array(curves, np.int64).reshape(-1, 3),
            np.ascontiguousarray(x),
            np.ascontiguousarray(y),
            _uses(inputs_used, varying),
            np.array([_speed_map(setting_or_default(settings, f"speed{i}_gamma")[0]) for i in (1, 2)], np.float32),
        )


def setting_or_default(settings: Mapping[str, Any], name: str) -> tuple[float, Mapping[str, list[list[float]]]]:
    """Return the base value and the curves by input of a setting; those of libmypaint if a brush file omits it."""
    if name not in settings:
        return DEFAULTS.get(name, 0.0), DEFAULT_CURVES.get(name, {})
    return settings[name]["base_value"], settings[name]["inputs"]


def _uses(inputs: set[str], settings: set[str]) -> int:
    """Flags of what a brush depends on, from the inputs of its curves and the settings that are not constantly 0."""
    offsets = settings & set(SETTINGS[OFFSET_Y:OFFSET_ANGLE_ADJ])
    by_direction = {"direction", "direction_angle", "attack_angle"} & inputs or {
        "offset_angle",
        "offset_angle_2",
    } & settings
    flags = {
        USES_SPEED1: "speed1" in inputs,
        USES_SPEED2: "speed2" in inputs,
        USES_OFFSET_BY_SPEED: "offset_by_speed" in settings,
        USES_DIRECTION: bool(by_direction),
        USES_CUSTOM: "custom" in inputs,
        USES_STROKE: "stroke" in inputs,
        USES_GRIDMAP: bool({"gridmap_x", "gridmap_y"} & inputs),
        USES_OFFSETS: bool(offsets),
        USES_COLOUR: bool(settings & set(COLOUR_CHANGES)),
    }
    return sum(flag for flag, used in flags.items() if used)


def _speed_map(log_gamma: float) -> tuple[np.float32, np.float32, np.float32]:
    """gamma, m and q of ``speed input = log(gamma + speed) m + q``, which is 0.5 with slope 0.015 at speed 45."""
    with np.errstate(over="ignore"):
        gamma = np.float32(np.exp(np.float64(np.float32(log_gamma))))
        factor = np.float32(0.015) * (np.float32(45) + gamma)
        offset = np.float32(0.5) - factor * np.float32(math.log(np.float32(45) + gamma))
    return gamma, factor, offset
