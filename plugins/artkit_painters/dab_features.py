"""Features of positions on the curves of strokes, from which the dab painter predicts dabs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import MAX_LOG_RADIUS

FEATURES = 12
LOG_SPEED_FEATURE = 2
"""Index of the feature that is the logarithm of the curve's speed minus `TYPICAL_LOG_SPEED`."""

TYPICAL_LOG_SPEED = 3.5
"""Speed: length of the curve's derivative by t, px of a reference tile."""

_DIRECTION_HARMONICS = 3


class CurvePositions(NamedTuple):
    """Positions on the curves of k strokes, lengths in tile units.

    features (k, FEATURES). point (k, 2). direction (k, 2): unit vector along the curve. brush_radius (k,): at the
    pressure there.
    """

    features: Tensor
    point: Tensor
    direction: Tensor
    brush_radius: Tensor


def curve_positions(
    actions: Tensor, t: Tensor, pressure_radius_curve: Sequence[float], opacity_curve: Sequence[float]
) -> CurvePositions:
    """Compute the features of positions t (k,) in [0, 1] on the curves of actions (k, A).

    The curves map pressure to the brush's radius (`stroke_geometry.radius_at_pressure`) and to the opacity of its dabs.
    """
    a, b, start = stroke_geometry.bezier_coefficients(actions)
    t_column = t[:, None]
    point = (a * t_column + b) * t_column + start
    velocity = (2 * a * t_column + b) * stroke_geometry.REFERENCE_SIDE
    velocity2 = velocity.square()
    speed2 = velocity2.sum(1) + 1e-6
    pressure = stroke_geometry.pressure(actions, t_column)[:, 0]
    radius_ratio = stroke_geometry.radius_at_pressure(pressure, pressure_radius_curve) * torch.ones_like(t)
    # Multiples of twice the direction's angle, equal for both ways along the curve: a nib's dabs depend on it sharply.
    cos, sin = (velocity2[:, 0] - velocity2[:, 1]) / speed2, 2 * velocity[:, 0] * velocity[:, 1] / speed2
    harmonics = [cos, sin]
    for _ in range(_DIRECTION_HARMONICS - 1):
        cos, sin = cos * cos - sin * sin, 2 * cos * sin
        harmonics += [cos, sin]
    features = [
        pressure * 2 - 1,
        actions[:, 8] * MAX_LOG_RADIUS - 1,
        speed2.log() / 2 - TYPICAL_LOG_SPEED,
        t * 2 - 1,
        radius_ratio.log() + 1,
        stroke_geometry.interpolate_at_pressure(pressure, opacity_curve) * 2 - 1,
        *harmonics,
    ]
    direction = velocity / speed2.sqrt()[:, None]
    return CurvePositions(
        torch.stack(features, dim=1), point, direction, stroke_geometry.max_radius(actions) * radius_ratio
    )
