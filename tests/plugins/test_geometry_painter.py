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
from artkit_painters.grain import DENSITIES, Dab, amounts, dabs, expected, expected_square
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
    size = geometry.sheet_size(side, margin)
    marks = painter.marks(painter.sight(actions, corner, side, size), actions, side)
    return painter.paint(marks, actions, corner, side, size, seeds)


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
    part = painter.window(actions, torch.tensor([[10, 20]]).expand(8, 2), 64, (32, 40), seeds)
    torch.testing.assert_close(part, sheet[..., 36:76, 26:58], atol=1e-4, rtol=0)
    far = painter.window(actions, torch.tensor([[4000, 20]]).expand(8, 2), 64, (32, 40), seeds)
    assert torch.equal(far, torch.zeros(8, 1, 40, 32))


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


@pytest.mark.parametrize(("grain", "swell"), [(False, ()), (True, ()), (False, (-2.0, -0.5, 0.0))])
def test_gradients_against_finite_differences(grain: bool, swell: tuple[float, ...], random_actions: Actions) -> None:
    """In double precision, where a step is too small to move a pixel over a kink, every number of the action counts."""
    generator = torch.Generator().manual_seed(3)
    painter = GeometryPainter(8, swell=swell).double().requires_grad_(False)
    for parameter in painter.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3)
    count, step = 72, 1e-7
    actions = 0.05 + 0.9 * random_actions(count, seed=6).double()
    # Curves without hairpins, in whose folds the slope depends on which leg is found nearer.
    actions[:, 2:4] = 0.2 * actions[:, 2:4] + 0.4 * (actions[:, 0:2] + actions[:, 4:6])
    actions.requires_grad_()
    seeds = torch.arange(count) if grain else None
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
DRY = Dab(0.2, 0.1)


def fallen(seed: int, density: float, radius: float, size: int, dab: Dab = DRY) -> Tensor:
    """The dabs on a square of pixels: (size, size, 4)."""
    span = torch.arange(float(size)) + 0.5
    x, y = span[None, :, None].expand(size, size, 1), span[:, None, None].expand(size, size, 1)
    return dabs(torch.tensor([seed]), torch.full((1,), radius), x, y, torch.tensor(density), dab)[:, :, 0]


def test_grain_depends_on_the_seed_and_the_place_alone() -> None:
    span = torch.arange(40.0)
    x, y = (span[None] - 8).expand(40, 40)[..., None], (span[:, None] + 3).expand(40, 40)[..., None]
    radius = torch.full((1,), 3.0)
    many = torch.tensor(DENSITIES[-1])
    one, same, other = (dabs(torch.tensor([seed]), radius, x, y, many, DRY) for seed in (5, 5, 6))
    assert one.shape == (40, 40, 1, 4)
    assert torch.equal(one, same)
    assert (one != other)[..., -1].float().mean() > 0.99
    assert torch.equal(dabs(torch.tensor([5]), radius, x[7:27, 3:23], y[7:27, 3:23], many, DRY), one[7:27, 3:23])


def test_dabs_are_scattered_as_densely_as_they_say() -> None:
    """Of dabs scattered like raindrops a place is missed by all with a chance of exp(-density x area)."""
    for density in DENSITIES[:-2]:
        bare = float((fallen(3, density, radius=6.0, size=128, dab=Dab(0.5)).sum(-1) < 1e-4).float().mean())
        assert bare == pytest.approx(math.exp(-density * math.pi), abs=0.06)


@pytest.mark.parametrize("hardness", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("opacity", [0.2, 0.6, 0.8, 0.95])
def test_a_lone_dab_is_as_opaque_and_as_hard_as_it_is_to_be(opacity: float, hardness: float) -> None:
    dab = Dab(hardness)
    lone = fallen(1, DENSITIES[0], radius=14.0, size=128, dab=dab)
    counts = amounts(torch.tensor(DENSITIES[0]), torch.tensor(opacity), dab)
    covered = 1 - torch.exp(-(lone @ counts))
    assert float(covered.max()) == pytest.approx(opacity, abs=0.25 * (1 - opacity) + 0.03)
    assert (dab.profile((torch.arange(1, 10) / 10).square()).diff() < 0).all()
    rings = dab.profile(torch.linspace(0, 1, 10001))
    volumes = (float(rings.mean()) * math.pi, float(rings.square().mean()) * math.pi)
    assert volumes == pytest.approx(dab.volumes, rel=3e-3)


@given(
    density=st.floats(0.001, 20),
    opacity=st.floats(0, 0.98),
    dab=st.sampled_from([Dab(0.1), Dab(0.5), Dab(0.9), Dab(0.2, 0.3)]),
    radius=st.sampled_from([1.0, 3.0, 5.0]),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_mean_of_all_grain_is_known(density: float, opacity: float, dab: Dab, radius: float) -> None:
    """And that of its square, but of dabs of a pixel, which are drawn as their mean over the pixel."""
    one, other = torch.tensor(density), torch.tensor(opacity)
    passed = torch.exp(-(fallen(1, density, radius, 128, dab) @ amounts(one, other, dab)))
    mean, square = (float(torch.exp(-held(one, other, dab))) for held in (expected, expected_square))
    assert mean == pytest.approx(float(passed.mean()), abs=0.03)
    assert square == pytest.approx(float(passed.square().mean()), abs=0.03 if radius > 1 else 0.08)


@given(density=st.floats(0.001, 25), opacity=st.floats(0.01, 0.98))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_more_dabs_hold_back_no_less(density: float, opacity: float) -> None:
    """Layers lie on one another: what fell stays, and nothing jumps where one layer is full and the next begins."""
    held = [
        fallen(2, dense, 3.0, 64) @ amounts(torch.tensor(dense), torch.tensor(opacity), DRY)
        for dense in (density, density * 1.0001, density * 1.5)
    ]
    assert (held[1] - held[0]).abs().max() < 0.02
    assert (held[2] - held[0]).min() > -1e-4


def test_the_moments_are_those_of_the_painter_s_samples(painter: GeometryPainter, random_actions: Actions) -> None:
    actions, corner = random_actions(12, seed=4), torch.zeros(12, 2)
    marks = painter.marks(painter.sight(actions, corner, 64, 64), actions, 64)
    samples = torch.stack(
        [painter.paint(marks, actions, corner, 64, 64, torch.arange(12) + 100 * k) for k in range(80)]
    )
    mean, square = painter.moments(marks, 64)
    torch.testing.assert_close(mean, painter.paint(marks, actions, corner, 64, 64, None))
    # Samples lie about their mean as far as the moments say, and their mean nearer.
    variance = float((square - mean.square()).mean())
    assert float((samples - mean).square().mean()) == pytest.approx(variance, rel=0.15)
    assert float((samples.mean(0) - mean).square().mean()) < variance / 20
    assert float(samples.mean()) == pytest.approx(float(mean.mean()), rel=0.03)


def test_grain_shows_in_the_paint(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(4, size=0.7, start_pressure=0.7, end_pressure=0.7)
    one = painter(actions, 64, 16, torch.arange(4))
    assert torch.equal(painter(actions, 64, 16, torch.arange(4)), one)
    assert (painter(actions, 64, 16, torch.arange(4) + 4) - one).abs().amax((1, 2, 3)).min() > 0.005


def test_a_brush_that_leaves_nothing_to_chance_has_no_grain(random_actions: Actions) -> None:
    actions, seeds = random_actions(6, seed=3), torch.arange(6)
    for by_chance in (True, False):
        made = GeometryPainter(8, by_chance=by_chance)
        with torch.no_grad():
            made.leave.bias[3] = 1.0  # dabs everywhere
            one, other = (made(actions, 64, 16, chosen) for chosen in (seeds, seeds + 9))
            mean = made(actions, 64, 16, None)
        assert by_chance == (not torch.equal(one, other)) == (not torch.equal(one, mean))
        assert GeometryPainter.of(made.facts()).by_chance == by_chance


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
