"""The geometry of a stroke, and how the pen moves for it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_mypaint.pen_paths import EVENT_SECONDS, stroke_seeds
from artkit_mypaint.tracing import trace_actions

numbers = st.floats(0, 1, width=32)
an_action = st.lists(numbers, min_size=12, max_size=12).map(lambda row: torch.tensor([row]))
quick = settings(max_examples=50, deadline=None, derandomize=True)


def named(action: Tensor, *names: str) -> Tensor:
    return action[0, STROKE_SPACE.index(*names)]


@quick
@given(an_action)
def test_the_curve_passes_through_its_three_points(action: Tensor) -> None:
    start, middle, end = stroke_geometry.curve(action, torch.tensor([0.0, 0.5, 1.0]))[0]
    torch.testing.assert_close(start, named(action, "start_x", "start_y"))
    torch.testing.assert_close(middle, named(action, "middle_x", "middle_y"))
    torch.testing.assert_close(end, named(action, "end_x", "end_y"))


@quick
@given(an_action)
def test_the_curve_is_quadratic(action: Tensor) -> None:
    """So that it is the paper's Bezier curve: its third differences vanish."""
    points = stroke_geometry.curve(action.double(), torch.linspace(0, 1, 9, dtype=torch.float64))[0]
    assert points.diff(n=3, dim=0).abs().max() < 1e-12


@quick
@given(an_action)
def test_pressure_goes_from_the_start_s_to_the_end_s(action: Tensor) -> None:
    start, end = named(action, "start_pressure", "end_pressure")
    t = torch.linspace(0, 1, 5)
    pressure = stroke_geometry.pressure(action, t)
    assert pressure.shape == (1, 5)
    torch.testing.assert_close(pressure[0], start + (end - start) * t)
    of_pixels = stroke_geometry.pressure(action, t.view(1, 5, 1).expand(1, 5, 2))
    torch.testing.assert_close(of_pixels, pressure[:, :, None].expand(1, 5, 2))


@quick
@given(an_action, st.integers(8, 500))
def test_radii_grow_with_the_tile(action: Tensor, side: int) -> None:
    radius = stroke_geometry.max_radius(action) * side
    torch.testing.assert_close(stroke_geometry.log_radius(action, side), radius.log(), atol=1e-4, rtol=1e-4)
    size = float(named(action, "size")[0])
    assert float(radius) == pytest.approx(math.exp(2 * size) * side / 64, rel=1e-4)


@quick
@given(an_action, st.tuples(st.integers(-300, 300), st.integers(-300, 300)), st.sampled_from([32, 64, 100.5, 192]))
def test_the_pen_goes_from_start_to_end(action: Tensor, origin: tuple[int, int], side: float) -> None:
    traces = trace_actions(action, torch.tensor([origin]), side, torch.tensor([3]), 11)
    points = traces.points[0]
    corner = np.array(origin)

    def px(*names: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        where: np.ndarray[tuple[int], np.dtype[np.float64]] = corner + named(action, *names).double().numpy() * side
        return where

    np.testing.assert_allclose(points[0, :2], px("start_x", "start_y"), atol=1e-4)
    np.testing.assert_allclose(points[-1, :2], px("end_x", "end_y"), atol=1e-4)
    np.testing.assert_allclose(points[-2, :2], px("end_x", "end_y"), atol=1e-4)
    # The pen comes down and is lifted without pressure, and in between has the stroke's.
    assert points[0, 2] == points[-1, 2] == 0
    start, end = named(action, "start_pressure", "end_pressure").tolist()
    assert points[1, 2] == pytest.approx(start, abs=1e-6)
    assert points[-2, 2] == pytest.approx(end, abs=1e-6)
    # It is pressed down within a quarter of a (reference) pixel of the start.
    assert np.linalg.norm(points[1, :2] - points[0, :2]) <= 0.2501 * side / 64
    assert traces.zoom == side / 64
    np.testing.assert_allclose(traces.colours[0], named(action, "red", "green", "blue").double().numpy())


def test_an_event_a_point_and_the_time_it_takes(random_actions: Callable[..., Tensor]) -> None:
    traces = trace_actions(random_actions(3), torch.zeros(3, 2), 64, torch.arange(3), 0)
    assert traces.points.shape == (3, len(EVENT_SECONDS), 3)
    assert np.isfinite(traces.points).all()


def test_seeds_differ_by_number_and_by_seed() -> None:
    numbers = np.arange(20_000)
    seeds = stroke_seeds(numbers, 0)
    assert len(set(seeds.tolist())) > 19_990
    assert seeds.min() >= 0
    assert seeds.max() < 1 << 30
    assert (stroke_seeds(numbers, 1) != seeds).mean() > 0.999
    np.testing.assert_array_equal(stroke_seeds(numbers[5:9], 0), seeds[5:9])
    assert (stroke_seeds(numbers, (1 << 63) - 1) != seeds).mean() > 0.999


def test_a_radius_under_pressure_is_read_from_the_table() -> None:
    swell = (-2.0, -0.5, 0.0)
    pressure = torch.linspace(0, 1, 41, dtype=torch.float64, requires_grad=True)
    share = stroke_geometry.radius_at_pressure(pressure, swell)
    assert isinstance(share, Tensor)
    expected = np.exp(np.interp(pressure.detach().numpy(), [0, 0.5, 1], swell))
    np.testing.assert_allclose(share.detach().numpy(), expected, rtol=1e-6)
    (slope,) = torch.autograd.grad(share.log().sum(), pressure)
    assert slope[5].item() == pytest.approx(3.0)
    assert slope[35].item() == pytest.approx(1.0)
    assert stroke_geometry.radius_at_pressure(pressure, ()) == 1.0
