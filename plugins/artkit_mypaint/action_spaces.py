"""TODO: artkit_mypaint.action_spaces."""

from __future__ import annotations

from torch import Tensor

from artkit import ActionSpace, Dimension

MAX_LOG_RADIUS = 2.0


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
"""The twelve numbers of a stroke. `middle` is the point of the curve halfway (t = 1/2), so that a stroke whose three
points lie in its tile stays near its tile; the paper's "control point" of a Bezier curve follows from it."""


SHAPE_SIZE = 9
"""The first nine numbers are the stroke's shape, the last three its colour."""


LEVELS = 10
"""Levels of pressure and size in the discrete action space."""


DISCRETE_SPACE = ActionSpace("mypaint-discrete-1", (*STROKE_SPACE.dimensions, Dimension("lift")))
"""A stroke as the paper first had it (§3.1): pressures and size of `LEVELS` levels each, evenly from 0 to 1, and a flag
that lifts the pen: above 1/2 there is no paint."""


LIFT = len(STROKE_SPACE)


_QUANTIZED = STROKE_SPACE.index("start_pressure", "end_pressure", "size")


def quantize(actions: Tensor) -> Tensor:
    """The discrete actions nearest to actions (m, 13) of `DISCRETE_SPACE`."""
    nearest = actions.clone()
    nearest[:, _QUANTIZED] = (actions[:, _QUANTIZED] * (LEVELS - 1)).round() / (LEVELS - 1)
    nearest[:, LIFT] = (actions[:, LIFT] > 0.5).to(actions)
    return nearest
