"""The painter that knows its geometry."""

from __future__ import annotations

import math
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
from artkit_painters.grain import DABS, MAPS, SCALES, grain
from artkit_painters.nearest import nearest

Actions = Callable[..., Tensor]
seeds_of_actions = st.integers(0, 1 << 30)


@pytest.fixture(scope="module")
def painter() -> GeometryPainter:
    """The one that artkit ships for dry_brush."""
    tensors, facts, _ = weights.load(weights.shipped("gan", "classic/dry_brush"))
    made = GeometryPainter.of(facts)
    made.load_state_dict(tensors)
    return made.eval().requires_grad_(False)


def whole(painter: GeometryPainter, actions: Tensor, side: int, margin: int, seeds: Tensor) -> Tensor:
    """Each stroke computed on its whole sheet, in all cells."""
    corner = torch.full((len(actions), 2), -margin)
    return painter.window(actions, corner, side, geometry.sheet_size(side, margin), seeds)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    which=seeds_of_actions,
    side=st.sampled_from([64, 48, 33]),
    margin=st.sampled_from([0, 8, 16, 32]),
    size=st.sampled_from([0.1, 0.5, None]),
)
def test_what_is_left_out_is_empty(
    painter: GeometryPainter, random_actions: Actions, which: int, side: int, margin: int, size: float | None
) -> None:
    actions = random_actions(24, seed=which, **({} if size is None else {"size": size}))
    seeds = torch.arange(24) * 7
    sheets = painter(actions, side, margin, seeds)
    edge = geometry.sheet_size(side, margin)
    assert sheets.shape == (24, 1, edge, edge)
    torch.testing.assert_close(sheets, whole(painter, actions, side, margin, seeds), atol=1e-4, rtol=0)
    assert sheets.max() > 0.2


def test_any_part_of_a_sheet_is_what_the_whole_has_there(painter: GeometryPainter, random_actions: Actions) -> None:
    actions, seeds = random_actions(8, seed=2), torch.arange(8)
    sheet = whole(painter, actions, 64, 16, seeds)
    part = painter.window(actions, torch.tensor([[10, 20]]).expand(8, 2), 64, 32, seeds)
    torch.testing.assert_close(part, sheet[..., 36:68, 26:58], atol=1e-4, rtol=0)


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


@pytest.mark.parametrize(("noise", "swell"), [(False, ()), (True, ()), (False, (-2.0, -0.5, 0.0))])
def test_gradients_against_finite_differences(noise: bool, swell: tuple[float, ...], random_actions: Actions) -> None:
    """In double precision, where a step is too small to move a pixel over a kink, every number of the action counts."""
    generator = torch.Generator().manual_seed(3)
    painter = GeometryPainter(noise, 8, swell=swell).double().requires_grad_(False)
    for parameter in painter.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3)
    count, step = 24, 1e-7
    actions = 0.05 + 0.9 * random_actions(count, seed=6).double()
    # Curves without hairpins, in whose folds the slope depends on which leg is found nearer.
    actions[:, 2:4] = 0.2 * actions[:, 2:4] + 0.4 * (actions[:, 0:2] + actions[:, 4:6])
    actions.requires_grad_()
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
        # The nearest point is found to some digits, and a step may yet cross a kink for a stroke or two.
        within = 0.05 if stroke.SPACE.names[index][-2:] in ("_x", "_y") else 1e-4
        assert (error < within).double().mean() >= 0.9, (stroke.SPACE.names[index], error)


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
        reach = sum(painter.reach) * float(stroke.radius(actions[index : index + 1])) * 64 + REACH_PX
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
    span = torch.arange(40.0)
    x, y = (span[None] - 8).expand(40, 40)[..., None], (span[:, None] + 3).expand(40, 40)[..., None]
    radius = torch.full((1,), 3.0)
    one, same, other = (grain(torch.tensor([seed]), radius, x, y) for seed in (5, 5, 6))
    assert one.shape == (40, 40, 1, MAPS)
    assert torch.equal(one, same)
    assert (one != other)[..., : len(SCALES)].float().mean() > 0.99
    assert (one != other).any((0, 1, 2)).all()
    assert torch.equal(grain(torch.tensor([5]), radius, x[7:27, 3:23], y[7:27, 3:23]), one[7:27, 3:23])


def test_grain_is_noise_of_unit_variance_and_as_smooth_as_the_brush_is_broad() -> None:
    span = torch.arange(64.0)
    x, y = span[None, :, None].expand(64, 64, 30), span[:, None, None].expand(64, 64, 30)
    seeds = torch.arange(30) * 12345
    noise = {radius: grain(seeds, torch.full((30,), radius), x, y) for radius in (2.0, 6.0)}
    for maps in noise.values():
        assert maps.mean((0, 1, 2)).abs().max() < 0.1
        assert maps.var((0, 1, 2)).sub(1).abs().max() < 0.2
        covariance = (maps[..., :, None] * maps[..., None, :]).mean((0, 1, 2))
        smooth = len(SCALES)
        assert (covariance - covariance.diag().diag())[:smooth].abs().max() < 0.15
        assert (covariance.diag(1)[smooth:] > 0.3).all()  # dabs of one map are among those of the next
        assert abs(float((maps[:, :, 1:] * maps[:, :, :-1]).mean())) < 0.05  # of two strokes
    rough = {radius: maps.diff(dim=0).square().mean((0, 1, 2)) for radius, maps in noise.items()}
    assert (rough[6.0] < 0.5 * rough[2.0]).all()
    assert rough[6.0][0] > rough[6.0][1]


def test_the_densest_dabs_cover_what_as_many_dabs_would() -> None:
    """Of dabs scattered like raindrops a place is missed by all with a chance of exp(-density x area)."""
    span = torch.arange(256.0)
    x, y = span[None, :, None].expand(256, -1, -1), span[:, None, None].expand(-1, 256, -1)
    maps = grain(torch.tensor([3]), torch.full((1,), 4.0), x, y)
    for number, density in enumerate(DABS, len(SCALES)):
        one = maps[..., number]
        bare = float((one <= one.min() + 1e-3).float().mean())
        assert bare == pytest.approx(math.exp(-density * math.pi), abs=0.05)


def test_grain_shows_in_the_paint(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(4, size=0.7, start_pressure=0.7, end_pressure=0.7)
    one = painter(actions, 64, 16, torch.arange(4))
    assert torch.equal(painter(actions, 64, 16, torch.arange(4)), one)
    assert (painter(actions, 64, 16, torch.arange(4) + 4) - one).abs().amax((1, 2, 3)).min() > 0.005


# ------------------------------------------------------------------------------------------------------ nearest point
def curves(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Curves (6, 1, count), hairpins among them, and 200 places beside them, px."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(3, 2, 1, count, generator=generator, dtype=torch.float64) * 64
    points[2, :, :, ::4] = points[0, :, :, ::4] + 3  # back to where they came from
    start, middle, end = points
    curve = torch.cat([2 * (start + end) - 4 * middle, 4 * middle - 3 * start - end, start])
    x, y = torch.rand(2, 200, count, generator=generator, dtype=torch.float64) * 96 - 16
    return curve, x, y


def test_the_nearest_point_is_the_nearest() -> None:
    curve, x, y = curves(200, seed=0)
    t, ox, oy, vx, vy = nearest(curve, x, y)
    ax, ay, bx, by, sx, sy = curve
    torch.testing.assert_close((ax * t + bx) * t + sx + ox, x)
    torch.testing.assert_close((ay * t + by) * t + sy + oy, y)
    torch.testing.assert_close(torch.stack([vx, vy]), torch.stack([2 * ax * t + bx, 2 * ay * t + by]))
    assert ((t >= 0) & (t <= 1)).all()
    finely = torch.linspace(0, 1, 1000, dtype=torch.float64)[:, None, None]
    px, py = (ax * finely + bx) * finely + sx, (ay * finely + by) * finely + sy
    best = torch.stack([((px - x[i]) ** 2 + (py - y[i]) ** 2).amin(0)[0].sqrt() for i in range(len(x))])
    further = (ox.square() + oy.square()).sqrt() - best
    # In the fold of a hairpin a point on the other leg, hardly further away, may be found.
    assert further.max() < 2
    assert (further > 0.3).double().mean() < 1e-3


def test_the_gradient_of_the_nearest_point_is_that_of_the_exact_one() -> None:
    curve, x, y = curves(24, seed=1)
    generator = torch.Generator().manual_seed(2)
    looked_at = torch.randn(5, 200, 24, generator=generator, dtype=torch.float64)

    def value(curve: Tensor) -> Tensor:
        return (torch.stack(nearest(curve, x, y)) * looked_at).sum(0)

    curve.requires_grad_()
    for index in range(6):
        away = torch.zeros(6, 1, 1, dtype=torch.float64)
        away[index] = 1e-6
        with torch.no_grad():
            slope = (value(curve + away) - value(curve - away)) / 2e-6
        # Places where a step leads to another part of the curve have no gradient.
        calm = slope.abs() < 300
        (gradient,) = torch.autograd.grad((value(curve) * calm).sum(), curve)
        expected = (slope * calm).sum(0)
        error = (gradient[index, 0] - expected).abs() / (expected.abs() + expected.abs().mean())
        assert calm.double().mean() > 0.95
        assert error.median() < 0.01
        assert (error < 0.05).double().mean() > 0.8
