"""Tests of `artkit_mypaint.tracing` and `artkit_mypaint.pen_paths`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_mypaint.pen_paths import EVENT_SECONDS
from artkit_mypaint.stroke_seeds import stroke_seeds
from artkit_mypaint.tracing import trace_actions

Point = np.ndarray[tuple[int], np.dtype[np.float64]]

actions = st.lists(st.floats(0, 1, width=32), min_size=12, max_size=12).map(lambda row: torch.tensor([row]))


def named(action: Tensor, *names: str) -> Tensor:
    return action[0, STROKE_SPACE.index(*names)]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(actions, st.tuples(st.integers(-300, 300), st.integers(-300, 300)), st.sampled_from([32, 64, 100.5, 192]))
def test_the_pen_moves_from_start_to_end(action: Tensor, origin: tuple[int, int], side: float) -> None:
    paths = trace_actions(action, torch.tensor([origin]), side, torch.tensor([3]), 11)
    points = paths.points[0]

    def px(*names: str) -> Point:
        position: Point = np.array(origin) + named(action, *names).double().numpy() * side
        return position

    np.testing.assert_allclose(points[0, :2], px("start_x", "start_y"), atol=1e-4)
    np.testing.assert_allclose(points[-1, :2], px("end_x", "end_y"), atol=1e-4)
    np.testing.assert_allclose(points[-2, :2], px("end_x", "end_y"), atol=1e-4)
    # The pen comes down and is lifted without pressure; in between it has the pressure of the stroke.
    assert points[0, 2] == points[-1, 2] == 0
    start, end = named(action, "start_pressure", "end_pressure").tolist()
    assert points[1, 2] == pytest.approx(start, abs=1e-6)
    assert points[-2, 2] == pytest.approx(end, abs=1e-6)
    # It is pressed down within a quarter of a reference pixel of the start.
    assert np.linalg.norm(points[1, :2] - points[0, :2]) <= 0.2501 * side / 64
    assert paths.zoom == side / 64
    np.testing.assert_allclose(paths.colours[0], named(action, "red", "green", "blue").double().numpy())


def test_each_event_has_a_point_and_a_duration(random_actions: Callable[..., Tensor]) -> None:
    paths = trace_actions(random_actions(3), torch.zeros(3, 2), 64, torch.arange(3), 0)
    assert paths.points.shape == (3, len(EVENT_SECONDS), 3)
    assert np.isfinite(paths.points).all()


def test_stroke_seeds_differ_by_index_and_by_seed() -> None:
    indices = torch.arange(20_000)
    seeds = stroke_seeds(indices, 0)
    assert len(set(seeds.tolist())) > 19_990
    assert seeds.min() >= 0
    assert seeds.max() < 1 << 30
    assert (stroke_seeds(indices, 1) != seeds).float().mean() > 0.999
    torch.testing.assert_close(stroke_seeds(indices[5:9], 0), seeds[5:9])
    assert (stroke_seeds(indices, (1 << 63) - 1) != seeds).float().mean() > 0.999


def test_stroke_seeds_are_those_of_splitmix64() -> None:
    def splitmix64(z: int) -> int:
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z = (z ^ (z >> shift)) * factor % 2**64
        return (z ^ (z >> 31)) % 2**30

    for seed in (0, 7, 2**63 - 1, 2**64 - 1):
        expected = [splitmix64((index + seed * 0x9E3779B97F4A7C15) % 2**64) for index in range(50)]
        assert stroke_seeds(torch.arange(50), seed).tolist() == expected
