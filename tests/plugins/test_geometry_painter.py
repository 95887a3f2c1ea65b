"""The painter that knows its geometry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from artkit_painters import geometry, stroke, weights
from artkit_painters.geometry import CELL, REACH_PX, GeometryPainter

Actions = Callable[..., Tensor]
seeds_of_actions = st.integers(0, 1 << 30)


@pytest.fixture(scope="module")
def painter() -> GeometryPainter:
    """The one that artkit ships for dry_brush."""
    tensors, facts, _ = weights.load(weights.shipped("gan", "classic/dry_brush"))
    made = GeometryPainter(int(facts["noise"]), int(facts["channels"]), float(facts["reach"]))
    made.load_state_dict(tensors)
    return made.eval().requires_grad_(False)


def whole(painter: GeometryPainter, actions: Tensor, side: int, margin: int, seeds: Tensor) -> Tensor:
    """Each stroke computed on its whole sheet."""
    corner = torch.full((len(actions), 2), -margin)
    return painter.window(actions, corner, side, geometry.sheet_size(side, margin), seeds)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    which=seeds_of_actions,
    side=st.sampled_from([64, 48, 33]),
    margin=st.sampled_from([0, 8, 16, 32]),
    size=st.sampled_from([0.1, 0.5, None]),
)
def test_small_windows_change_nothing(
    painter: GeometryPainter, random_actions: Actions, which: int, side: int, margin: int, size: float | None
) -> None:
    actions = random_actions(24, seed=which, **({} if size is None else {"size": size}))
    seeds = torch.arange(24) * 7
    sheets = painter(actions, side, margin, seeds)
    edge = geometry.sheet_size(side, margin)
    assert sheets.shape == (24, 1, edge, edge)
    torch.testing.assert_close(sheets, whole(painter, actions, side, margin, seeds), atol=1e-4, rtol=0)
    assert sheets.max() > 0.2


def test_hairpins_too(painter: GeometryPainter) -> None:
    """Beyond a sharp turn two pieces of the curve are equally near; which of them is found must not matter."""
    generator = torch.Generator().manual_seed(5)
    actions = torch.rand(40, 12, generator=generator)
    actions[:, 0:2] = 0.3 + 0.05 * actions[:, 0:2]
    actions[:, 4:6] = 0.3 + 0.05 * actions[:, 4:6]
    actions[:, 2:4] = 0.6 + 0.2 * actions[:, 2:4]
    seeds = torch.arange(40)
    sheets = painter(actions, 64, 16, seeds)
    torch.testing.assert_close(sheets, whole(painter, actions, 64, 16, seeds), atol=1e-4, rtol=0)


def test_any_part_of_a_sheet_is_what_the_whole_has_there(painter: GeometryPainter, random_actions: Actions) -> None:
    """A window that cuts through strokes: the middle of it, that no convolution sees the cut from, is the same."""
    actions, seeds = random_actions(8, seed=2), torch.arange(8)
    sheet = whole(painter, actions, 64, 16, seeds)
    part = painter.window(actions, torch.tensor([[10, 20]]).expand(8, 2), 64, 32, seeds)
    inner = 2 * 3 * CELL // 2  # three convolutions of three cells
    torch.testing.assert_close(
        part[..., inner:-inner, inner:-inner],
        sheet[..., 36 + inner : 68 - inner, 26 + inner : 58 - inner],
        atol=1e-4,
        rtol=0,
    )


def test_one_at_a_time_is_the_same_as_all_at_once(painter: GeometryPainter, random_actions: Actions) -> None:
    actions, seeds = random_actions(20), torch.arange(20)
    together = painter(actions, 64, 16, seeds)
    alone = torch.cat([painter(actions[i : i + 1], 64, 16, seeds[i : i + 1]) for i in range(20)])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)
    assert painter(actions[:0], 64, 16, seeds[:0]).shape == (0, 1, 96, 96)


def test_training_mode_makes_no_difference(painter: GeometryPainter, random_actions: Actions) -> None:
    actions, seeds = random_actions(4), torch.arange(4)
    before = painter(actions, 64, 16, seeds)
    painter.train()
    after = painter(actions, 64, 16, seeds)
    painter.eval()
    assert torch.equal(before, after)


@pytest.mark.parametrize("noise", [0, 4])
def test_gradients_against_finite_differences(noise: int, random_actions: Actions) -> None:
    """In double precision, where a step is too small to move a pixel over a kink, every number of the action counts."""
    generator = torch.Generator().manual_seed(3)
    painter = GeometryPainter(noise, 8).double().requires_grad_(False)
    for parameter in painter.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3)
    count, step = 24, 1e-7
    actions = (0.05 + 0.9 * random_actions(count, seed=6).double()).requires_grad_()
    seeds = torch.arange(count)
    looked_at = torch.randn(96, 96, generator=generator, dtype=torch.float64)

    def value(at: Tensor) -> Tensor:
        sheets: Tensor = painter(at, 64, 16, seeds) * looked_at
        return sheets.sum((1, 2, 3))

    (gradient,) = torch.autograd.grad(value(actions).sum(), actions)
    assert (gradient[:, stroke.SHAPE :] == 0).all()
    for index in range(stroke.SHAPE):
        away = torch.zeros(12, dtype=torch.float64)
        away[index] = step
        with torch.no_grad():
            slope = (value(actions + away) - value(actions - away)) / (2 * step)
        error = (gradient[:, index] - slope).abs() / (slope.abs() + 0.01 * slope.abs().mean())
        assert slope.abs().mean() > 1e-3
        # A step may yet cross a kink for a stroke or two.
        assert (error < 1e-3).double().mean() >= 0.9, (stroke.SPACE.names[index], error)


def test_paint_ends_at_the_reach_of_the_brush(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(12, seed=9)
    margin = 48
    sheets = painter(actions, 64, margin, torch.arange(12))[:, 0]
    along = stroke.curve(actions, torch.linspace(0, 1, 201)) * 64
    centre = torch.arange(64 + 2 * margin) + 0.5 - margin
    for index in range(12):
        from_curve = torch.stack(
            [((centre[None, :] - x) ** 2 + (centre[:, None] - y) ** 2).sqrt() for x, y in along[index].tolist()]
        ).amin(0)
        reach = painter.reach * float(stroke.radius(actions[index : index + 1])) * 64 + REACH_PX
        beyond = from_curve > reach + CELL + 0.5
        assert beyond.any()
        assert sheets[index][beyond].abs().max() == 0
        assert sheets[index][~beyond].max() > 0.05


def test_it_paints_larger_than_it_learnt(painter: GeometryPainter, random_actions: Actions) -> None:
    """But for the grain, which is another one: the mean over several is compared."""
    actions = random_actions(16, seed=1, size=0.6)
    grains = [torch.arange(16) + 100 * k for k in range(8)]
    small = torch.stack([painter(actions, 64, 16, seeds) for seeds in grains]).mean(0)
    reduced = torch.stack([F.avg_pool2d(painter(actions, 128, 32, seeds), 2) for seeds in grains]).mean(0)
    for a, b in zip(small, reduced, strict=True):
        assert np.corrcoef(a.flatten(), b.flatten())[0, 1] > 0.9
    assert float(reduced.mean()) == pytest.approx(float(small.mean()), rel=0.15)


def test_it_resembles_the_real_brush(
    painter: GeometryPainter,
    random_actions: Actions,
    coverage: Callable[..., np.ndarray[tuple[int, int, int], np.dtype[np.float64]]],
    request: pytest.FixtureRequest,
) -> None:
    """Averaged over the brush's randomness, the painter's strokes lie where the real ones do, as dark."""
    dry_brush = request.getfixturevalue("dry_brush")
    actions = random_actions(12, seed=4, size=0.6, start_pressure=0.6, end_pressure=0.6)
    inner = slice(64 - 16, 64 + 64 + 16)
    real = np.mean([coverage(dry_brush, actions, seed=seed)[:, inner, inner] for seed in range(6)], axis=0)
    learnt = torch.stack([painter(actions, 64, 16, torch.arange(12) + 50 * k)[:, 0] for k in range(6)]).mean(0)
    for a, b in zip(real, learnt.numpy(), strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.85
    assert float(learnt.mean()) == pytest.approx(float(real.mean()), rel=0.25)


# -------------------------------------------------------------------------------------------------------------- grain
def test_grain_depends_on_the_seed_and_the_place_alone() -> None:
    like = torch.zeros(1)
    corner = torch.tensor([[-8, 3], [-8, 3], [-8, 3]])
    one, same, other = geometry.grain(torch.tensor([5, 5, 6]), corner, 40, 4, like)
    assert torch.equal(one, same)
    assert (one != other).float().mean() > 0.99
    # Moved by some cells, it is the same noise, moved.
    moved = geometry.grain(torch.tensor([5]), torch.tensor([[-8 + 3, 3 + 7]]), 20, 4, like)[0]
    assert torch.equal(moved, one[:, 7:27, 3:23])


def test_grain_is_white_noise_of_unit_variance() -> None:
    noise = geometry.grain(torch.arange(30) * 12345, torch.zeros(30, 2, dtype=torch.long), 32, 4, torch.zeros(1))
    assert noise.shape == (30, 4, 32, 32)
    assert abs(float(noise.mean())) < 0.02
    assert float(noise.var()) == pytest.approx(1, abs=0.02)
    assert float(noise.abs().max()) <= 3**0.5 + 1e-6
    neighbours = {
        "x": (noise[..., 1:] * noise[..., :-1]).mean(),
        "y": (noise[..., 1:, :] * noise[..., :-1, :]).mean(),
        "maps": (noise[:, 1:] * noise[:, :-1]).mean(),
        "strokes": (noise[1:] * noise[:-1]).mean(),
    }
    for name, correlation in neighbours.items():
        assert abs(float(correlation)) < 0.02, name


def test_grain_shows_in_the_paint(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(4, size=0.7, start_pressure=0.7, end_pressure=0.7)
    one = painter(actions, 64, 16, torch.arange(4))
    assert torch.equal(painter(actions, 64, 16, torch.arange(4)), one)
    assert (painter(actions, 64, 16, torch.arange(4) + 4) - one).abs().amax((1, 2, 3)).min() > 0.005
