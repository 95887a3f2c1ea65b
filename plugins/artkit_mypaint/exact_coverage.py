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
from artkit_mypaint.brush import Brush
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
from artkit_mypaint.padded_dabs import rasterize_padded_dabs
from artkit_mypaint.tracing import curve_parameter, path_tensors, trace_actions
from artkit_mypaint.triton_engine import require_triton

_MIN_RATIO = 1e-3


def exact_coverage(engine: Engine, actions: Tensor, place: Place) -> Tensor:
    """Compute the coverages of m strokes from their dabs: actions (m, 12) -> (m, 1, S, S)."""
    size = (place.patch_size, place.patch_size)
    if actions.is_cuda:
        rows, stroke, counts = _padded_dabs(engine.brush.name, actions, place)
        return rasterize_padded_dabs(_differentiable_dabs(engine.brush, rows, stroke, actions, place), counts, size)
    paths = trace_actions(actions, torch.zeros_like(place.origin), place.side, place.stroke_index, place.seed)
    dab_array, dab_counts = engine.dabs(paths)
    rows = torch.from_numpy(dab_array).to(actions)
    stroke = torch.arange(len(actions)).repeat_interleave(torch.from_numpy(dab_counts)).to(actions.device)
    dabs = _differentiable_dabs(engine.brush, rows, stroke, actions, place)
    return rasterize_dabs(dabs, len(actions), size)


def _padded_dabs(brush: str, actions: Tensor, place: Place) -> tuple[Tensor, Tensor, Tensor]:
    """Compute dabs (m * D, 9), D for each stroke, on a CUDA device; their strokes (m * D,), and the counts (m,)."""
    require_triton(actions.device)
    from artkit_mypaint.triton_engine.engine import padded_dabs

    indices = place.stroke_index.to(actions.device)
    paths = path_tensors(actions, actions.new_zeros(len(actions), 2), place.side, indices, place.seed)
    dabs, counts = padded_dabs(brush, *paths)
    missing = torch.arange(dabs.shape[1], device=dabs.device) >= counts[:, None]
    # Missing dabs get valid values: they have no gradient, but 0 times the infinite one of an invalid value is NaN.
    rows = dabs.masked_fill(missing[:, :, None], 1.0).flatten(0, 1).to(actions.dtype)
    strokes = torch.arange(len(actions), device=actions.device)
    return rows, strokes[:, None].expand(-1, dabs.shape[1]).flatten(), counts


def _differentiable_dabs(brush: Brush, rows: Tensor, stroke: Tensor, actions: Tensor, place: Place) -> Dabs:
    """Return the dabs (k, 9) of the engine, of the strokes (k,), as functions of the actions."""
    t = curve_parameter(rows[:, DAB_TIME])
    centre = stroke_geometry.curve_points(actions, stroke, t) * place.side + place.margin
    radius = stroke_geometry.max_radius(actions)[stroke]
    growth = radius / radius.detach()
    displacement = (rows[:, DAB_X : DAB_Y + 1] + place.margin - centre).detach()
    x, y = (centre + displacement * growth[:, None]).unbind(1)
    pressure = torch.lerp(actions[stroke, 6], actions[stroke, 7], t)
    widening = _relative(stroke_geometry.radius_at_pressure(pressure, brush.pressure_radius_curve), pressure)
    strengthening = _relative(stroke_geometry.interpolate_at_pressure(pressure, brush.dab_settings.opacity), pressure)
    ratio = rows[:, DAB_RATIO].clamp(min=1)
    return Dabs(
        x=x,
        y=y,
        radius=rows[:, DAB_RADIUS] * growth * widening,
        opacity=(rows[:, DAB_OPACITY] * strengthening).clamp(max=1),
        hardness=rows[:, DAB_HARDNESS],
        aspect=ratio,
        angle=torch.where(ratio == 1, UPRIGHT, rows[:, DAB_ANGLE] * (math.pi / 180)),
        stroke=stroke,
    )


def _relative(value: Tensor | float, like: Tensor) -> Tensor:
    """A factor that is 1 and has the gradient of log(value)."""
    if not isinstance(value, Tensor):
        return torch.ones_like(like)
    return value.clamp(min=_MIN_RATIO) / value.detach().clamp(min=_MIN_RATIO)
