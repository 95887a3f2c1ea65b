"""How far the paint of a brush reaches from the pen, measured on the brush itself."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_mypaint.libmypaint import ONE
from artkit_mypaint.tracing import trace_actions
from artkit_mypaint.workers import Workers
from artkit_painters import geometry_painter
from artkit_painters.nearest_point import nearest_point

_AROUND = 64  # px around a tile of 64 px that are looked at
_PRESSURES = 6
_STROKES = 40  # at each pressure
_BIN = 0.1  # radii
_SHARE = 0.999  # of all paint lies within the reach
_DENSE = 0.9  # of the pixels at a distance have no more coverage than there must be room for
_ROOM = 1.1


def measure_extent(workers: Workers, seed: int = 0) -> tuple[float, float]:
    """The reach of a brush, from strokes at several pressures: brush radii from the curve (beside `geometry_painter.REACH_PX`)
    beyond which there is next to no paint, at no pressure, and how many more at full pressure.

    A painter's paint fades towards its reach (`geometry_painter.Sight.gate`), so the reach is where that leaves room for the
    coverage that is found at every distance, and for all but a thousandth of the paint. Radii are those that the brush
    has at the pressure.
    """
    side, margin = stroke_geometry.REFERENCE_SIDE, _AROUND
    generator = torch.Generator().manual_seed(seed)
    actions = torch.rand(_PRESSURES * _STROKES, len(STROKE_SPACE), generator=generator)
    pressures = torch.linspace(1 / _PRESSURES, 1, _PRESSURES)
    actions[:, 6] = actions[:, 7] = pressures.repeat_interleave(_STROKES)
    size = side + 2 * margin
    traces = trace_actions(actions, torch.zeros(len(actions), 2), side, torch.arange(len(actions)), seed)
    sheets = workers.paint(traces, np.full((len(actions), 2), -margin), size, size)
    coverage = torch.from_numpy(sheets.astype(np.float32) / ONE)
    radius = (
        stroke_geometry.max_radius(actions)
        * side
        * stroke_geometry.radius_at_pressure(actions[:, 6], workers.brush.pressure_radius_curve)
    )
    parts = (torch.split(values, _STROKES) for values in (actions, coverage, radius))
    needed = [_needed(*some, side=side, margin=margin) for some in zip(*parts, strict=True)]
    return _line(pressures.tolist(), needed)


def _needed(actions: Tensor, coverage: Tensor, radius: Tensor, *, side: int, margin: int) -> float:
    """The reach, in radii (m,) px, of strokes (m, A) of one pressure, from their coverage (m, S, S)."""
    curve = torch.cat(stroke_geometry.bezier_coefficients(actions), dim=1).t() * side
    centre = torch.arange(coverage.shape[-1]) + 0.5 - margin
    x, y = centre.repeat(len(centre))[:, None], centre.repeat_interleave(len(centre))[:, None]
    _, ox, oy, _, _ = nearest_point(curve[:, None], x.expand(-1, len(actions)), y.expand(-1, len(actions)))
    distance = ((ox * ox + oy * oy).sqrt() - geometry_painter.REACH_PX).clamp(min=0) / radius
    bins, paint = (distance / _BIN).long().t().flatten(), coverage.flatten()
    order = bins.argsort()
    most, far, left = 0.0, 0.0, float(paint.sum())
    allowed = left * (1 - _SHARE)
    for number, there in enumerate(torch.split(paint[order], torch.bincount(bins).tolist())):
        if left <= allowed:
            break
        left -= float(there.sum())
        far = (number + 0.5) * _BIN
        if len(there):
            covered = float(there.sort().values[int(_DENSE * (len(there) - 1))])
            most = max(most, far / (1 - (1 - geometry_painter.FLAT**2) * covered**0.5) ** 0.5)
    return max(most, far)


def _line(pressures: list[float], needed: list[float]) -> tuple[float, float]:
    """The lowest ``low + more * pressure``, neither below 0, that is at least as far as needed at every pressure."""
    best = (max(needed), 0.0)
    for step in range(1, 101):
        more = max(needed) * 1.5 * step / 100
        low = max(0.0, *(n - more * p for p, n in zip(pressures, needed, strict=True)))
        if low + more / 2 < best[0] + best[1] / 2:
            best = (low, more)
    return round(best[0] * _ROOM + 0.05, 2), round(best[1] * _ROOM, 2)
