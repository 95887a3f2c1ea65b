"""A brush: its checked settings, and the quantities that follow from them. Independent of libmypaint."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artkit import UsageError
from artkit.files import read_text
from artkit_mypaint.brush_files import find_brush
from artkit_mypaint.brush_settings import (
    VISIBLE_RADIUS_STD,
    checked_settings,
    dab_settings,
    max_extent_radii,
    pressure_radius_curve,
    setting_by_pressure,
)
from artkit_mypaint.engine.brush_program import COLOUR_CHANGES, setting_or_default

MIN_SOFTNESS_PX = 0.5
"""Minimum width in px over which the edge of a dab fades, however thin the stroke is."""

MAX_FILE_BYTES = 1 << 20
"""The largest brush file that is read."""

_FILE_VERSION = 3
_CANVAS_SETTINGS = ("smudge", "eraser", "lock_alpha", "colorize", "posterize", "paint_mode")
"""Settings with which a stroke depends on the canvas below: it picks up paint, erases it, or changes its colour."""


class Brush:
    """A brush of MyPaint.

    name: a name such as ``classic/dry_brush``, or the path of a ``.myb`` file. Raises UsageError if this brush is
    missing or invalid.

    text: of its file. settings: for each setting its ``base_value`` and its curves over ``inputs``.
    pressure_radius_curve: ratio of the radius to the largest radius by pressure, as
    `stroke_geometry.radius_at_pressure` takes it.
    max_radius_offset: the most that pressure adds to the logarithm of the base radius. It is subtracted when a stroke
    is painted, so that the size of an action is the largest radius of its stroke.
    min_radius_ratio: smallest radius divided by largest radius.
    max_extent_radii: how far from the path of a stroke its paint may lie, in units of its largest radius.
    softness: minimum width in px over which the edge of a dab fades (MyPaint's setting ``anti_aliasing``).
    dab_settings: hardness, radius deviation and opacity of the dabs.
    stochastic: whether two samples of one action look different, because dabs are displaced or resized at random.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.file = find_brush(name)
        self.text, self.settings = _read_brush_file(self.file)
        self.pressure_radius_curve, self.max_radius_offset = pressure_radius_curve(self.settings)
        self.min_radius_ratio = math.exp(min(self.pressure_radius_curve, default=0.0))
        self.max_extent_radii = max_extent_radii(self.settings, self.max_radius_offset)
        self.softness = float(np.float32(setting_or_default(self.settings, "anti_aliasing")[0]))
        self.dab_settings = dab_settings(self.settings)
        displaced = setting_by_pressure(self.settings, "offset_by_random").max() > 0
        self.stochastic = bool(displaced or self.dab_settings.log_radius_std > VISIBLE_RADIUS_STD)

    @property
    def unsupported_setting(self) -> str | None:
        """Name of a setting with which strokes depend on the canvas below, or None."""
        return next((name for name in _CANVAS_SETTINGS if self._uses(name) and self._is_effective(name)), None)

    @property
    def colour_setting(self) -> str | None:
        """Name of a setting with which the brush changes its colour within a stroke, or None."""
        return next((name for name in COLOUR_CHANGES if self._uses(name)), None)

    def require_supported(self) -> None:
        """Raise UsageError if the brush's strokes depend on the canvas below."""
        if setting := self.unsupported_setting:
            raise UsageError(
                f'the brush "{self.name}" uses {setting}: its strokes depend on the canvas below',
                hint="choose a brush that does not smudge or erase; `artkit brushes` lists them",
            )

    def require_one_colour(self) -> None:
        """Raise UsageError if the brush's strokes are more than a coverage times one colour."""
        self.require_supported()
        if setting := self.colour_setting:
            raise UsageError(
                f'the brush "{self.name}" uses {setting}: it changes its colour within a stroke',
                hint='only `renderer.type = "mypaint"` paints it, with `gradient = "expected"` or "exact"',
            )

    def base_values(self, log_radius: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the base values of ``radius_logarithmic`` and ``anti_aliasing`` for strokes of the given size.

        log_radius (m,): logarithm of the largest radius of each stroke in px -> (m,) each.
        """
        # MyPaint omits dabs that are smaller than the width over which their edge fades, so that small strokes of some
        # brushes would disappear. Therefore that width is limited to the smallest radius of the stroke.
        min_radius = np.exp(log_radius) * self.min_radius_ratio
        return log_radius - self.max_radius_offset, np.minimum(self.softness, np.maximum(MIN_SOFTNESS_PX, min_radius))

    def _is_effective(self, name: str) -> bool:
        """Whether a setting can be more than 0. MyPaint picks up no paint with ``smudge`` at or below 0."""
        base, inputs = setting_or_default(self.settings, name)
        return name != "smudge" or base + sum(max(y for _, y in curve) for curve in inputs.values() if curve) > 0

    def _uses(self, name: str) -> bool:
        """Whether a setting has an effect: a base value other than 0, or a curve over an input."""
        setting = self.settings.get(name)
        return bool(setting and (setting["base_value"] or any(setting["inputs"].values())))


def _read_brush_file(file: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of a brush file and its checked settings."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"it is larger than {MAX_FILE_BYTES >> 20} MB")
        text = read_text(file)
        content = json.loads(text)
        if content["version"] != _FILE_VERSION:
            raise ValueError(f"its version is {content['version']}")
        settings = checked_settings(content["settings"])
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError, OverflowError) as error:
        raise UsageError(f"{file} is not a MyPaint brush of version {_FILE_VERSION}: {error}") from None
    return text, settings
