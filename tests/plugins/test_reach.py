"""How far brushes reach, measured on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from artkit_mypaint import stroke_geometry
from artkit_mypaint.libmypaint import ONE
from artkit_mypaint.tracing import trace_actions
from artkit_mypaint.workers import Workers
from artkit_painters.brush_extent import measure_extent
from artkit_painters.geometry_painter import REACH_PX

pytestmark = pytest.mark.usefixtures("mypaint")


@pytest.mark.parametrize("brush", ["classic/dry_brush", "classic/charcoal", "classic/calligraphy", "classic/brush"])
def test_next_to_no_paint_lies_beyond(brush: str) -> None:
    """On strokes that the measurement did not see."""
    workers = Workers(brush, 1)
    low, more = measure_extent(workers)
    assert low >= 0
    assert more >= 0
    around = 64
    actions = torch.rand(60, 12, generator=torch.Generator().manual_seed(5))
    traces = trace_actions(actions, torch.zeros(60, 2), 64, torch.arange(60), 1)
    size = 64 + 2 * around
    coverage = workers.paint(traces, np.full((60, 2), -around), size, size) / ONE
    centre = torch.arange(size) + 0.5 - around
    t = torch.linspace(0, 1, 65)
    nodes = stroke_geometry.curve(actions, t) * 64
    pressure = stroke_geometry.pressure(actions, t)
    radius = (
        stroke_geometry.max_radius(actions)[:, None]
        * 64
        * stroke_geometry.radius_at_pressure(pressure, workers.brush.pressure_radius_curve)
    )
    reach = (low + more * pressure) * radius + REACH_PX
    beyond = 0.0
    for painted, way, limit in zip(torch.from_numpy(coverage), nodes, reach, strict=True):
        x, y = ((centre[:, None] - way[:, axis]).square() for axis in (0, 1))
        outside = ((x[None] + y[:, None]).sqrt() > limit + 0.5).all(-1)
        beyond += float(painted[outside].sum())
    assert beyond < 0.005 * coverage.sum()


def test_a_brush_that_shrinks_with_pressure_reaches_farthest_without() -> None:
    charcoal, dry = (measure_extent(Workers(brush, 1)) for brush in ("classic/charcoal", "classic/dry_brush"))
    assert charcoal[0] > 3
    assert charcoal[1] < 1
    assert dry[1] > 3


def test_it_is_the_same_again() -> None:
    workers = Workers("classic/pencil", 1)
    assert measure_extent(workers, 3) == measure_extent(workers, 3) == measure_extent(Workers("classic/pencil", 2), 3)
