"""Tests of `artkit_painters.brush_extent`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch

from artkit_mypaint import stroke_geometry
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.tracing import trace_actions
from artkit_painters.brush_extent import measure_extent
from artkit_painters.geometry_features import FADE_PX


@cache
def brush_extent(brush: str) -> tuple[float, float]:
    return measure_extent(Engine(brush))


@pytest.mark.slow
@pytest.mark.parametrize("brush", ["classic/dry_brush", "classic/charcoal", "classic/calligraphy", "classic/brush"])
def test_hardly_any_paint_of_other_strokes_lies_beyond_the_extent(brush: str) -> None:
    low, increase = brush_extent(brush)
    assert low >= 0
    assert increase >= 0
    engine, margin = Engine(brush), 64
    actions = torch.rand(60, 12, generator=torch.Generator().manual_seed(5))
    paths = trace_actions(actions, torch.zeros(60, 2), 64, torch.arange(60), 1)
    size = 64 + 2 * margin
    coverage = engine.paint(paths, np.full((60, 2), -margin), size, size) / ONE
    centres = torch.arange(size) + 0.5 - margin
    t = torch.linspace(0, 1, 65)
    nodes = stroke_geometry.curve(actions, t) * 64
    pressure = stroke_geometry.pressure(actions, t)
    radius = (
        stroke_geometry.max_radius(actions)[:, None]
        * 64
        * stroke_geometry.radius_at_pressure(pressure, engine.brush.pressure_radius_curve)
    )
    extent = (low + increase * pressure) * radius + FADE_PX
    paint_beyond = 0.0
    for patch, curve, limit in zip(torch.from_numpy(coverage), nodes, extent, strict=True):
        x2, y2 = ((centres[:, None] - curve[:, axis]).square() for axis in (0, 1))
        outside = ((x2[None] + y2[:, None]).sqrt() > limit + 0.5).all(-1)
        paint_beyond += float(patch[outside].sum())
    assert paint_beyond < 0.005 * coverage.sum()


@pytest.mark.slow
def test_extent_of_a_brush_that_shrinks_with_pressure_is_largest_without_pressure() -> None:
    charcoal, dry_brush = brush_extent("classic/charcoal"), brush_extent("classic/dry_brush")
    assert charcoal[0] > 3
    assert charcoal[1] < 1
    assert dry_brush[1] > 3


@pytest.mark.slow
def test_extent_depends_on_the_seed_only(use_cores: Callable[[int], None]) -> None:
    engine = Engine("classic/pencil")
    first, second = measure_extent(engine, 3), measure_extent(engine, 3)
    use_cores(3)
    assert first == second == measure_extent(Engine("classic/pencil"), 3)
