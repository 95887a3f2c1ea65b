"""Tests of `artkit_mypaint.brush`: where a stroke leaves paint, how wide it is, and how it scales."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from artkit_mypaint import stroke_geometry
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.tracing import trace_actions

Coverage = Callable[..., npt.NDArray[np.float64]]
Actions = Callable[..., Tensor]


# ------------------------------------------------------------------------------------------------------------ position
@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1 << 30), origin=st.tuples(st.integers(-200, 200), st.integers(-200, 200)))
def test_paint_lies_along_the_curve(
    dry_brush: Engine, random_actions: Actions, seed: int, origin: tuple[int, int]
) -> None:
    """The mean position of the paint is that of the curve: x to the right and y down from the origin of the tile."""
    action = random_actions(1, seed=seed, start_pressure=0.5, end_pressure=0.5, size=0.0)
    points = stroke_geometry.curve(action, torch.linspace(0, 1, 51))[0].numpy() * 64
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assume(lengths.sum() > 6)  # a pen that hardly moves leaves few dabs or none
    samples = 12
    paths = trace_actions(action.expand(samples, -1), torch.tensor([origin] * samples), 64, torch.arange(samples), 0)
    corners = np.array([(origin[0] - 32, origin[1] - 32)] * samples)
    paint = dry_brush.paint(paths, corners, 128, 128).sum(axis=0) / ONE
    rows, columns = np.mgrid[0:128, 0:128] + 0.5
    mean = np.array([(columns * paint).sum(), (rows * paint).sum()]) / paint.sum() - 32
    # The amount of paint is proportional to length, not to time.
    expected = ((points[1:] + points[:-1]) / 2 * lengths[:, None]).sum(axis=0) / lengths.sum()
    extent = np.abs(points - expected).max()
    assert np.abs(mean - expected).max() < 1.5 + 0.1 * extent


def test_paint_starts_and_ends_with_the_stroke(dry_brush: Engine, coverage: Coverage) -> None:
    """The stroke goes to the right and slightly down; its pressure is higher at the end."""
    action = torch.tensor([[0.25, 0.1, 0.5, 0.2, 0.9, 0.25, 0.1, 0.9, 0.2, 0.0, 0.0, 0.0]])
    paint = coverage(dry_brush, action.expand(16, -1)).mean(axis=0)
    rows, columns = np.nonzero(paint > 0.02)
    rows, columns = rows - 64, columns - 64
    assert 10 <= columns.min() <= 19
    assert 54 <= columns.max() <= 64
    assert -1 <= rows.min() <= 9
    assert 14 <= rows.max() <= 24
    assert paint[:, 64 + 45 : 64 + 60].sum() > 2 * paint[:, 64 + 13 : 64 + 28].sum()


@pytest.mark.parametrize("name", ["classic/dry_brush", "classic/charcoal", "classic/pen"])
def test_a_stroke_without_pressure_leaves_no_paint(name: str, random_actions: Actions, coverage: Coverage) -> None:
    brush = Engine(name)
    assert coverage(brush, random_actions(4, start_pressure=0.0, end_pressure=0.0)).max() == 0
    assert coverage(brush, random_actions(4, start_pressure=0.5, end_pressure=0.5)).max() > 0.1


# --------------------------------------------------------------------------------------------------------------- width
def test_strokes_of_larger_size_are_wider(dry_brush: Engine, coverage: Coverage) -> None:
    areas = []
    for size in (0.0, 0.25, 0.5, 0.75, 1.0):
        action = torch.tensor([[0.1, 0.4, 0.5, 0.5, 0.9, 0.6, 0.6, 0.6, size, 0.0, 0.0, 0.0]])
        areas.append(float((coverage(dry_brush, action.expand(8, -1)) > 0.05).mean()))
    assert all(larger > 1.2 * smaller for smaller, larger in itertools.pairwise(areas)), areas


def test_the_size_of_a_stroke_is_its_largest_radius(random_actions: Actions, coverage: Coverage) -> None:
    brush = Engine("classic/brush")
    assert brush.brush.max_radius_offset > 2
    assert max(brush.brush.pressure_radius_curve) == 0
    points = {"start_x": 0.2, "middle_x": 0.5, "end_x": 0.8, "start_y": 0.5, "middle_y": 0.5, "end_y": 0.5}
    widths = []
    for pressure in (1.0, 0.7):
        actions = random_actions(1, size=0.8, start_pressure=pressure, end_pressure=pressure, **points)
        painted = coverage(brush, actions)[0]
        widths.append(float(painted[:, painted.shape[1] // 2].sum()))
    radius = float(stroke_geometry.max_radius(actions)) * 64
    expected = [
        2 * radius * float(stroke_geometry.radius_at_pressure(torch.tensor(p), brush.brush.pressure_radius_curve))
        for p in (1.0, 0.7)
    ]
    assert widths == pytest.approx(expected, rel=0.3)


def test_stochastic_brushes_are_those_whose_samples_differ(random_actions: Actions, coverage: Coverage) -> None:
    actions = random_actions(12, seed=5, size=0.8)
    for name in ("dry_brush", "charcoal", "pencil", "calligraphy", "brush", "pen"):
        brush = Engine(f"classic/{name}")
        first, second = (coverage(brush, actions, seed=seed) for seed in (0, 1))
        assert brush.brush.stochastic == bool(np.abs(first - second).mean() > 0.02 * first.mean()), name


# --------------------------------------------------------------------------------------------------------------- scale
@pytest.mark.parametrize("name", ["classic/calligraphy", "tanda/acrylic-05-paint", "classic/pen"])
def test_small_strokes_are_visible_at_any_scale(name: str, random_actions: Actions, coverage: Coverage) -> None:
    """MyPaint omits dabs that are smaller than the width over which their edge fades."""
    brush = Engine(name)
    actions = random_actions(24, seed=2, size=0.1)
    actions[:, 6:8] = 0.3 + 0.7 * actions[:, 6:8]
    small, large = (coverage(brush, actions, side=side).mean((1, 2)) for side in (64, 256))
    assert small.mean() == pytest.approx(large.mean(), rel=0.35)
    assert (small > 0.4 * large).all()


@pytest.mark.parametrize("name", ["dry_brush", "pen", "calligraphy", "slow_ink"])
def test_an_enlarged_stroke_is_the_same_stroke(name: str, random_actions: Actions, coverage: Coverage) -> None:
    """Also with brushes that depend on the speed of the pen, which is higher in a larger picture."""
    brush = Engine(f"classic/{name}")
    actions = random_actions(8, seed=4, size=0.8)
    actions[:, 6:8] = 0.4 + 0.5 * actions[:, 6:8]
    small = coverage(brush, actions)
    large = coverage(brush, actions, side=256)
    reduced = large.reshape(8, 192, 4, 192, 4).mean(axis=(2, 4))
    for a, b in zip(small, reduced, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.98
    assert reduced.mean() == pytest.approx(small.mean(), rel=0.05)
