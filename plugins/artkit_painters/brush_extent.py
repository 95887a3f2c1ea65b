"""Measurement of how far the paint of a brush extends from the curve of a stroke."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.tracing import trace_actions
from artkit_painters.geometry_features import FADE_PX, FULL_PAINT_SHARE
from artkit_painters.nearest_point import nearest_point

_MARGIN_PX = 64  # around a tile of the reference side
_PRESSURES = 6
_STROKES_PER_PRESSURE = 40
_BIN_RADII = 0.1
_PAINT_SHARE = 0.999  # of all paint, that lies within the extent
_COVERAGE_QUANTILE = 0.9  # of the pixels at a distance, whose coverage the gate must allow
_SAFETY_FACTOR = 1.1


def measure_extent(engine: Engine, seed: int = 0) -> tuple[float, float]:
    """Measure the extent of a brush on strokes at several pressures.

    Returns the distance from the curve in brush radii (plus `FADE_PX`) beyond which there is next to no paint, at
    pressure 0, and its increase at pressure 1. Radii are those of the brush at the pressure.

    The gate of the geometry painter attenuates paint towards the extent. So the extent is the distance at which the
    gate allows the coverage found at every distance, and that contains all but a thousandth of the paint.
    """
    side, margin = stroke_geometry.REFERENCE_SIDE, _MARGIN_PX
    generator = torch.Generator().manual_seed(seed)
    actions = torch.rand(_PRESSURES * _STROKES_PER_PRESSURE, len(STROKE_SPACE), generator=generator)
    pressures = torch.linspace(1 / _PRESSURES, 1, _PRESSURES)
    actions[:, 6] = actions[:, 7] = pressures.repeat_interleave(_STROKES_PER_PRESSURE)
    size = side + 2 * margin
    traces = trace_actions(actions, torch.zeros(len(actions), 2), side, torch.arange(len(actions)), seed)
    patches = engine.paint(traces, np.full((len(actions), 2), -margin), size, size)
    coverage = torch.from_numpy(patches.astype(np.float32) / ONE)
    radius = (
        stroke_geometry.max_radius(actions)
        * side
        * stroke_geometry.radius_at_pressure(actions[:, 6], engine.brush.pressure_radius_curve)
    )
    chunks = zip(*(torch.split(values, _STROKES_PER_PRESSURE) for values in (actions, coverage, radius)), strict=True)
    extents = [_extent_at_pressure(*chunk, side=side, margin=margin) for chunk in chunks]
    return _fit_line(pressures.tolist(), extents)


def _extent_at_pressure(actions: Tensor, coverage: Tensor, radius: Tensor, *, side: int, margin: int) -> float:
    """Return the extent in radii (m,) px of strokes (m, A) of one pressure, from their coverage (m, S, S)."""
    curve = torch.cat(stroke_geometry.bezier_coefficients(actions), dim=1).t() * side
    centre = torch.arange(coverage.shape[-1]) + 0.5 - margin
    x, y = centre.repeat(len(centre))[:, None], centre.repeat_interleave(len(centre))[:, None]
    _, ox, oy, _, _ = nearest_point(curve[:, None], x.expand(-1, len(actions)), y.expand(-1, len(actions)))
    distance = ((ox * ox + oy * oy).sqrt() - FADE_PX).clamp(min=0) / radius
    bins, paint = (distance / _BIN_RADII).long().t().flatten(), coverage.flatten()
    order = bins.argsort()
    gate_extent, bin_distance, paint_beyond = 0.0, 0.0, float(paint.sum())
    max_paint_beyond = paint_beyond * (1 - _PAINT_SHARE)
    for index, bin_paint in enumerate(torch.split(paint[order], torch.bincount(bins).tolist())):
        if paint_beyond <= max_paint_beyond:
            break
        paint_beyond -= float(bin_paint.sum())
        bin_distance = (index + 0.5) * _BIN_RADII
        if len(bin_paint):
            covered = float(bin_paint.sort().values[int(_COVERAGE_QUANTILE * (len(bin_paint) - 1))])
            # The distance at which `geometry_features.cell_features` has a gate of `covered` here.
            gate_extent = max(gate_extent, bin_distance / (1 - (1 - FULL_PAINT_SHARE**2) * covered**0.5) ** 0.5)
    return max(gate_extent, bin_distance)


def _fit_line(pressures: list[float], extents: list[float]) -> tuple[float, float]:
    """Return the lowest ``base + increase * pressure``, neither negative, that is nowhere below the extents."""
    best = (max(extents), 0.0)
    for step in range(1, 101):
        increase = max(extents) * 1.5 * step / 100
        base = max(0.0, *(extent - increase * p for p, extent in zip(pressures, extents, strict=True)))
        if base + increase / 2 < best[0] + best[1] / 2:
            best = (base, increase)
    return round(best[0] * _SAFETY_FACTOR + 0.05, 2), round(best[1] * _SAFETY_FACTOR, 2)
