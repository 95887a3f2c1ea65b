"""Geometry of a brush stroke (paper §2.1): the curve, pressure and radius that an action describes.

Lengths are in tile units (1 = the side of the tile) unless a name or docstring says px. Both libmypaint's pen path and
the features of the neural painters are computed with these functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from artkit_mypaint.action_spaces import MAX_LOG_RADIUS

REFERENCE_SIDE = 64
"""Side in px of the tile for which brush radii are defined. The brush scales with the side of the tile."""

LARGEST_RADIUS = math.exp(MAX_LOG_RADIUS) / REFERENCE_SIDE
"""The largest brush radius, that of actions of size 1, tile units."""

_MARGIN_TILES = 0.625  # the widest stroke of dry_brush extends 0.63 tiles beyond its tile


def curve(actions: Tensor, t: Tensor) -> Tensor:
    """Evaluate the quadratic Bezier curve of each action.

    actions (m, A), t (k,) in [0, 1] -> points (m, k, 2), tile units.
    """
    start, middle, end = actions[:, None, 0:2], actions[:, None, 2:4], actions[:, None, 4:6]
    control = 2 * middle - (start + end) / 2
    t = t[None, :, None]
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end


def curve_points(actions: Tensor, stroke: Tensor, t: Tensor) -> Tensor:
    """Evaluate the curve of action `stroke[i]` at `t[i]`: actions (m, A), stroke (k,) int64, t (k,) -> (k, 2)."""
    a, b, c = (values[stroke] for values in bezier_coefficients(actions))
    return (a * t[:, None] + b) * t[:, None] + c


def bezier_coefficients(actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a, b and c of each action's curve ``(a t + b) t + c``: actions (m, A) -> (m, 2) each, tile units."""
    start, middle, end = actions[:, 0:2], actions[:, 2:4], actions[:, 4:6]
    return 2 * (start + end) - 4 * middle, 4 * middle - 3 * start - end, start


def pressure(actions: Tensor, t: Tensor) -> Tensor:
    """Compute the pen pressure along the stroke, linear in t from start to end.

    actions (m, A), t (m, ...) or (k,) in [0, 1] -> the shape of t, or (m, k), in [0, 1].
    """
    shape = (-1,) + (1,) * max(t.dim() - 1, 1)
    start, end = actions[:, 6].view(shape), actions[:, 7].view(shape)
    return start + (end - start) * t


def max_radius(actions: Tensor) -> Tensor:
    """Compute the brush radius at the pressure at which the brush is widest: actions (m, A) -> (m,), tile units."""
    return torch.exp(actions[:, 8] * MAX_LOG_RADIUS) / REFERENCE_SIDE


def log_radius(actions: Tensor, side: float) -> Tensor:
    """Compute the logarithm of `max_radius` in px on tiles of `side` px: actions (m, A) -> (m,)."""
    return actions[:, 8] * MAX_LOG_RADIUS + math.log(side / REFERENCE_SIDE)


def radius_at_pressure(pressure: Tensor, pressure_radius_curve: Sequence[float]) -> Tensor | float:
    """Compute the ratio of the brush radius at a pressure to `max_radius`, in (0, 1].

    pressure: any shape, in [0, 1]. pressure_radius_curve: logarithm of the ratio at evenly spaced pressures from 0 to
    1, interpolated linearly; empty if the radius does not depend on pressure (the result is then 1.0).
    """
    return interpolate_at_pressure(pressure, pressure_radius_curve).exp() if pressure_radius_curve else 1.0


def interpolate_at_pressure(pressure: Tensor, values: Sequence[float]) -> Tensor:
    """Interpolate linearly between values at evenly spaced pressures from 0 to 1.

    pressure: any shape, in [0, 1] -> the same shape.
    """
    table = _table(tuple(values), pressure.dtype, pressure.device)
    position = pressure * (len(values) - 1)
    low = position.detach().floor().clamp(0, len(values) - 2).long()
    return torch.lerp(table[low], table[low + 1], position - low)


@lru_cache(maxsize=64)
def _table(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return values as a tensor, copied to the device only once."""
    return torch.tensor(values, dtype=dtype, device=device)


def margin(side: int) -> int:
    """Return how far paint may extend beyond a tile of `side` px, in px; always even."""
    return round(_MARGIN_TILES * side / 2) * 2
