"""A brushstroke: its action space (paper §2.1) and the curve that an action stands for.

Lengths are in tile units (1 = the side of the tile) unless a name says otherwise. The engine moves MyPaint's brush
along these functions and the painters derive their features from them: a stroke's geometry is known in one place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from artkit.space import ActionSpace, Number

REFERENCE_SIDE = 64
"""Side in px of the tile for which brush radii are given. A tile of another side scales its brush with it."""

MAX_LOG_RADIUS = 2.0

SPACE = ActionSpace(
    "mypaint-stroke-1",
    (
        Number("start_x", "tile"),
        Number("start_y", "tile"),
        Number("middle_x", "tile"),
        Number("middle_y", "tile"),
        Number("end_x", "tile"),
        Number("end_y", "tile"),
        Number("start_pressure", "pen pressure"),
        Number("end_pressure", "pen pressure"),
        Number("size", "ln(radius in px of a 64 px tile)", 0.0, MAX_LOG_RADIUS),
        Number("red"),
        Number("green"),
        Number("blue"),
    ),
)
"""The twelve numbers of a stroke. `middle` is the point of the curve halfway (t = 1/2), so that a stroke whose three
points lie in its tile stays near its tile; the paper's "control point" of a Bezier curve follows from it."""

SHAPE = 9
"""The first nine numbers are the stroke's shape, the last three its colour."""


LEVELS = 10
"""Levels of pressure and size in the discrete action space."""

DISCRETE = ActionSpace("mypaint-discrete-1", (*SPACE.numbers, Number("lift")))
"""A stroke as the paper first had it (§3.1): pressures and size of `LEVELS` levels each, evenly from 0 to 1, and a flag
that lifts the pen: above 1/2 there is no paint."""

LIFT = len(SPACE)
_LEVELLED = SPACE.index("start_pressure", "end_pressure", "size")


def settled(actions: Tensor) -> Tensor:
    """The discrete actions nearest to actions (m, 13) of `DISCRETE`."""
    nearest = actions.clone()
    nearest[:, _LEVELLED] = (actions[:, _LEVELLED] * (LEVELS - 1)).round() / (LEVELS - 1)
    nearest[:, LIFT] = (actions[:, LIFT] > 0.5).to(actions)
    return nearest


def curve(actions: Tensor, t: Tensor) -> Tensor:
    """Points of the quadratic Bezier curve of each action.

    actions (m, A), t (k,) in [0, 1] -> (m, k, 2), tile units.
    """
    start, middle, end = actions[:, None, 0:2], actions[:, None, 2:4], actions[:, None, 4:6]
    control = 2 * middle - (start + end) / 2
    t = t[None, :, None]
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end


def polynomial(actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
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


def radius(actions: Tensor) -> Tensor:
    """The brush's radius of each action, where pressure makes it broadest: (m, A) -> (m,), tile units."""
    return torch.exp(actions[:, 8] * MAX_LOG_RADIUS) / REFERENCE_SIDE


def swollen(pressure: Tensor, swell: Sequence[float]) -> Tensor | float:
    """The share of its broadest radius that a brush has at some pressure.

    pressure in [0, 1]; swell: the logarithm of that share at pressures evenly from 0 to 1, linear between them; none of
    a brush whose radius does not depend on pressure.
    """
    return between(pressure, swell).exp() if swell else 1.0


def between(pressure: Tensor, values: Sequence[float]) -> Tensor:
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
