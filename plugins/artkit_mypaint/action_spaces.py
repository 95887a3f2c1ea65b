"""Action spaces of brush strokes: continuous (paper §2.1) and discrete (paper §3.1)."""

from __future__ import annotations

from torch import Tensor

from artkit import ActionSpace, Dimension

MAX_LOG_RADIUS = 2.0
"""Natural logarithm of the brush radius, in px of a 64 px tile, at size 1. At size 0 the radius is 1 px."""

STROKE_SPACE = ActionSpace(
    "mypaint-stroke-1",
    (
        Dimension("start_x", "tile"),
        Dimension("start_y", "tile"),
        Dimension("middle_x", "tile"),
        Dimension("middle_y", "tile"),
        Dimension("end_x", "tile"),
        Dimension("end_y", "tile"),
        Dimension("start_pressure", "pen pressure"),
        Dimension("end_pressure", "pen pressure"),
        Dimension("size", "ln(radius in px of a 64 px tile)", 0.0, MAX_LOG_RADIUS),
        Dimension("red"),
        Dimension("green"),
        Dimension("blue"),
    ),
)
"""The 12 numbers of a stroke. `middle` is the point of the curve at t = 1/2: a stroke with all three points inside its
tile stays close to the tile. The control point of the paper's Bezier curve is computed from it."""

SHAPE_SIZE = 9
"""The first 9 numbers describe the shape of the stroke, the last 3 its colour."""

LEVELS = 10
"""Levels of pressure and size in the discrete action space."""

DISCRETE_SPACE = ActionSpace("mypaint-discrete-1", (*STROKE_SPACE.dimensions, Dimension("lift")))
"""The first action space of the paper (§3.1): pressures and size have `LEVELS` evenly spaced levels in [0, 1], and
`lift` > 1/2 lifts the pen, so that the stroke leaves no paint."""

LIFT = len(STROKE_SPACE)
"""Index of `lift` in `DISCRETE_SPACE`."""

_QUANTIZED = slice(STROKE_SPACE.names.index("start_pressure"), STROKE_SPACE.names.index("size") + 1)


def quantize(actions: Tensor) -> Tensor:
    """Round actions (m, 13) of `DISCRETE_SPACE`: pressures and size to their levels, lift to 0 or 1."""
    quantized = actions.clone()
    quantized[:, _QUANTIZED] = (actions[:, _QUANTIZED] * (LEVELS - 1)).round() / (LEVELS - 1)
    quantized[:, LIFT] = (actions[:, LIFT] > 0.5).to(actions)
    return quantized
