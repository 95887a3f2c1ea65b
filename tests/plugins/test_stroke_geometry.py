"""Tests of `artkit_mypaint.stroke_geometry`."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import STROKE_SPACE

actions = st.lists(st.floats(0, 1, width=32), min_size=12, max_size=12).map(lambda row: torch.tensor([row]))
quick = settings(max_examples=50, deadline=None, derandomize=True)


def named(action: Tensor, *names: str) -> Tensor:
    return action[0, STROKE_SPACE.index(*names)]


@quick
@given(actions)
def test_the_curve_passes_through_its_three_points(action: Tensor) -> None:
    start, middle, end = stroke_geometry.curve(action, torch.tensor([0.0, 0.5, 1.0]))[0]
    torch.testing.assert_close(start, named(action, "start_x", "start_y"))
    torch.testing.assert_close(middle, named(action, "middle_x", "middle_y"))
    torch.testing.assert_close(end, named(action, "end_x", "end_y"))


@quick
@given(actions)
def test_the_curve_is_quadratic(action: Tensor) -> None:
    """The third differences vanish: it is the Bezier curve of the paper."""
    points = stroke_geometry.curve(action.double(), torch.linspace(0, 1, 9, dtype=torch.float64))[0]
    assert points.diff(n=3, dim=0).abs().max() < 1e-12


@quick
@given(actions)
def test_pressure_is_linear_from_start_to_end(action: Tensor) -> None:
    start, end = named(action, "start_pressure", "end_pressure")
    t = torch.linspace(0, 1, 5)
    pressure = stroke_geometry.pressure(action, t)
    assert pressure.shape == (1, 5)
    torch.testing.assert_close(pressure[0], start + (end - start) * t)
    per_pixel = stroke_geometry.pressure(action, t.view(1, 5, 1).expand(1, 5, 2))
    torch.testing.assert_close(per_pixel, pressure[:, :, None].expand(1, 5, 2))


@quick
@given(actions, st.integers(8, 500))
def test_radii_are_proportional_to_the_side_of_the_tile(action: Tensor, side: int) -> None:
    radius = stroke_geometry.max_radius(action) * side
    torch.testing.assert_close(stroke_geometry.log_radius(action, side), radius.log(), atol=1e-4, rtol=1e-4)
    size = float(named(action, "size")[0])
    assert float(radius) == pytest.approx(math.exp(2 * size) * side / 64, rel=1e-4)


def test_the_radius_at_a_pressure_is_interpolated() -> None:
    curve = (-2.0, -0.5, 0.0)
    pressure = torch.linspace(0, 1, 41, dtype=torch.float64, requires_grad=True)
    ratio = stroke_geometry.radius_at_pressure(pressure, curve)
    assert isinstance(ratio, Tensor)
    expected = np.exp(np.interp(pressure.detach().numpy(), [0, 0.5, 1], curve))
    np.testing.assert_allclose(ratio.detach().numpy(), expected, rtol=1e-6)
    (gradient,) = torch.autograd.grad(ratio.log().sum(), pressure)
    assert gradient[5].item() == pytest.approx(3.0)
    assert gradient[35].item() == pytest.approx(1.0)
    assert stroke_geometry.radius_at_pressure(pressure, ()) == 1.0
