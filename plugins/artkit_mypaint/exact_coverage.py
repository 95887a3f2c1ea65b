"""The coverage of the very dabs that the engine draws, differentiable with respect to the action.

Where along the curve each dab lies, and its random displacement in brush radii, are held fixed; its position, radius
and opacity follow the action. A dab has no gradient beyond its edge, so this gradient sees no further than the stroke.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from artkit import Place
from artkit_mypaint import stroke_geometry
from artkit_mypaint.dabs import UPRIGHT, Dabs, rasterize_dabs
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.state import (
    DAB_ANGLE,
    DAB_HARDNESS,
    DAB_OPACITY,
    DAB_RADIUS,
    DAB_RATIO,
    DAB_TIME,
    DAB_X,
    DAB_Y,
)
from artkit_mypaint.tracing import curve_parameter, trace_actions

_MIN_RATIO = 1e-3


def exact_coverage(engine: Engine, actions: Tensor, place: Place) -> Tensor:
    """Compute the coverages of m strokes from their dabs: actions (m, 12) -> (m, 1, S, S)."""
    paths = trace_actions(actions, torch.zeros_like(place.origin), place.side, place.stroke_index, place.seed)
    dab_array, counts = engine.dabs(paths)
    dabs = torch.from_numpy(dab_array).to(actions)
    stroke = torch.arange(len(actions)).repeat_interleave(torch.from_numpy(counts)).to(actions.device)
    t = curve_parameter(dabs[:, DAB_TIME])
    centre = stroke_geometry.curve_points(actions, stroke, t) * place.side + place.margin
    radius = stroke_geometry.max_radius(actions)[stroke]
    growth = radius / radius.detach()
    displacement = (dabs[:, [DAB_X, DAB_Y]] + place.margin - centre).detach()
    x, y = (centre + displacement * growth[:, None]).unbind(1)
    pressure = torch.lerp(actions[stroke, 6], actions[stroke, 7], t)
    brush = engine.brush
    widening = _relative(stroke_geometry.radius_at_pressure(pressure, brush.pressure_radius_curve), pressure)
    strengthening = _relative(stroke_geometry.interpolate_at_pressure(pressure, brush.dab_settings.opacity), pressure)
    ratio = dabs[:, DAB_RATIO].clamp(min=1)
    return rasterize_dabs(
        Dabs(
            x=x,
            y=y,
            radius=dabs[:, DAB_RADIUS] * growth * widening,
            opacity=(dabs[:, DAB_OPACITY] * strengthening).clamp(max=1),
            hardness=dabs[:, DAB_HARDNESS],
            aspect=ratio,
            angle=torch.where(ratio == 1, UPRIGHT, dabs[:, DAB_ANGLE] * (math.pi / 180)),
            stroke=stroke,
        ),
        len(actions),
        (place.patch_size, place.patch_size),
    )


def _relative(value: Tensor | float, like: Tensor) -> Tensor:
    """A factor that is 1 and has the gradient of log(value)."""
    if not isinstance(value, Tensor):
        return torch.ones_like(like)
    return value.clamp(min=_MIN_RATIO) / value.detach().clamp(min=_MIN_RATIO)
