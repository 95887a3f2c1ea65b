"""A brushstroke: its action space (paper §2.1) and the curve that an action stands for.

Lengths are in tile units (1 = the side of the tile) unless a name says otherwise. The engine moves MyPaint's brush
along these functions and the painters derive their features from them: a stroke's geometry is known in one place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from artkit_mypaint.action_spaces import MAX_LOG_RADIUS

REFERENCE_SIDE = 64
"""Side in px of the tile for which brush radii are given. A tile of another side scales its brush with it."""


def curve(actions: Tensor, t: Tensor) -> Tensor:
    """Points of the quadratic Bezier curve of each action.

    actions (m, A), t (k,) in [0, 1] -> (m, k, 2), tile units.
    """
    start, middle, end = actions[:, None, 0:2], actions[:, None, 2:4], actions[:, None, 4:6]
    control = 2 * middle - (start + end) / 2
    t = t[None, :, None]
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end


def bezier_coefficients(actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A, b and s of each action's curve ``(a t + b) t + s``: (m, A) -> (m, 2) each, tile units."""
    start, middle, end = actions[:, 0:2], actions[:, 2:4], actions[:, 4:6]
    return 2 * (start + end) - 4 * middle, 4 * middle - 3 * start - end, start


def pressure(actions: Tensor, t: Tensor) -> Tensor:
    """Pen pressure along the stroke, linear in t from the start's to the end's.

    actions (m, A), t (m, ...) or (k,) in [0, 1] -> the shape of t, or (m, k), in [0, 1].
    """
    shape = (-1,) + (1,) * max(t.dim() - 1, 1)
    start, end = actions[:, 6].view(shape), actions[:, 7].view(shape)
    return start + (end - start) * t


def max_radius(actions: Tensor) -> Tensor:
    """The brush's radius of each action, where pressure makes it broadest: (m, A) -> (m,), tile units."""
    return torch.exp(actions[:, 8] * MAX_LOG_RADIUS) / REFERENCE_SIDE


def radius_at_pressure(pressure: Tensor, swell: Sequence[float]) -> Tensor | float:
    """The share of its broadest radius that a brush has at some pressure.

    pressure in [0, 1]; swell: the logarithm of that share at pressures evenly from 0 to 1, linear between them; none of
    a brush whose radius does not depend on pressure.
    """
    return interpolate_at_pressure(pressure, swell).exp() if swell else 1.0


def interpolate_at_pressure(pressure: Tensor, values: Sequence[float]) -> Tensor:
    """What goes with a pressure in [0, 1], of values at pressures evenly from 0 to 1, linear between them."""
    table = pressure.new_tensor(values)
    place = pressure * (len(values) - 1)
    low = place.detach().floor().clamp(0, len(values) - 2).long()
    return torch.lerp(table[low], table[low + 1], place - low)


def log_radius(actions: Tensor, side: float) -> Tensor:
    """The logarithm of the brush's radius in px, where pressure makes it broadest: (m, A) -> (m,)."""
    return actions[:, 8] * MAX_LOG_RADIUS + math.log(side / REFERENCE_SIDE)


def margin(side: int) -> int:
    """Pixels around a tile of `side` px that a stroke may reach: even, and 0.625 tiles. The broadest dry brush was seen
    to reach 0.63.
    """
    return round(0.625 * side / 2) * 2
