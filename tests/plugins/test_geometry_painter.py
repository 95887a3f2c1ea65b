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

from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import SHAPE_SIZE, STROKE_SPACE
from artkit_mypaint.dabs import UPRIGHT, Dabs, rasterize_dabs
from artkit_painters import geometry_painter, weights
from artkit_painters.dab_scattering import DabShape, expected, expected_square
from artkit_painters.geometry_painter import CELL, REACH_PX, GeometryPainter
from artkit_painters.nearest_point import nearest_point

Actions = Callable[..., Tensor]
seeds_of_actions = st.integers(0, 1 << 30)


def shipped(brush: str) -> GeometryPainter:
    """The one that artkit ships for a brush."""
    tensors, facts, _ = weights.load(weights.shipped("mean", brush))
    made = GeometryPainter.of(facts)
    made.load_state_dict(tensors)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def painter() -> GeometryPainter:
    return shipped("classic/dry_brush")


def whole(painter: GeometryPainter, actions: Tensor, side: int, margin: int) -> Tensor:
    """Each stroke computed on its whole sheet, in all cells."""
    corner = torch.full((len(actions), 2), -margin)
    size = geometry_painter.sheet_size(side, margin)
    return painter.moments(actions, corner, side, size)[0]


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
    sheets = painter(actions, side, margin)
    edge = geometry_painter.sheet_size(side, margin)
    assert sheets.shape == (24, 1, edge, edge)
    torch.testing.assert_close(sheets, whole(painter, actions, side, margin), atol=1e-4, rtol=0)
    assert sheets.max() > 0.2


def test_any_part_of_a_sheet_is_what_the_whole_has_there(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(8, seed=2)
    sheet = whole(painter, actions, 64, 16)
    part = painter.window(actions, torch.tensor([[12, 20]]).expand(8, 2), 64, (32, 40))
    torch.testing.assert_close(part, sheet[..., 36:76, 28:60], atol=1e-4, rtol=0)
    far = painter.window(actions, torch.tensor([[4000, 20]]).expand(8, 2), 64, (32, 40))
    assert torch.equal(far, torch.zeros(8, 1, 40, 32))


def test_one_at_a_time_is_the_same_as_all_at_once(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(20)
    together = painter(actions, 64, 16)
    alone = torch.cat([painter(actions[i : i + 1], 64, 16) for i in range(20)])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)
    assert painter(actions[:0], 64, 16).shape == (0, 1, 96, 96)


def test_training_mode_makes_no_difference(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(4)
    before = painter(actions, 64, 16)
    painter.train()
    after = painter(actions, 64, 16)
    painter.eval()
    assert torch.equal(before, after)


@pytest.mark.parametrize("swell", [(), (-2.0, -0.5, 0.0)])
def test_gradients_against_finite_differences(swell: tuple[float, ...], random_actions: Actions) -> None:
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
    looked_at = torch.randn(96, 96, generator=generator, dtype=torch.float64)

    def value(at: Tensor) -> Tensor:
        sheets: Tensor = painter(at, 64, 16) * looked_at
        return sheets.sum((1, 2, 3))

    (gradient,) = torch.autograd.grad(value(actions).sum(), actions)
    assert (gradient[:, SHAPE_SIZE:] == 0).all()
    for index in range(SHAPE_SIZE):
        away = torch.zeros(12, dtype=torch.float64)
        away[index] = step
        with torch.no_grad():
            slope = (value(actions + away) - value(actions - away)) / (2 * step)
        error = (gradient[:, index] - slope).abs() / (slope.abs() + 0.01 * slope.abs().mean())
        assert slope.abs().mean() > 1e-3
        # The nearest point is found to some digits, and a step may yet cross a kink for a stroke or two.
        within = 0.05 if STROKE_SPACE.names[index][-2:] in ("_x", "_y") else 1e-4
        assert (error < within).double().mean() >= 0.9, (STROKE_SPACE.names[index], error)


def test_where_a_curve_turns_back_the_gradient_keeps_within_bounds(random_actions: Actions) -> None:
    """Of a brush with sharp edges, on hairpins, whose nearest point leaps: the slope over a short way is followed."""
    painter = shipped("classic/calligraphy").double()
    actions = 0.05 + 0.9 * random_actions(40, seed=5, size=0.6).double()
    actions[:, 4:6] = actions[:, 0:2] + 0.01 * (random_actions(40, seed=6)[:, 0:2].double() - 0.5)
    actions.requires_grad_()
    looked_at = torch.randn(96, 96, generator=torch.Generator().manual_seed(7), dtype=torch.float64)

    def value(at: Tensor) -> Tensor:
        sheets: Tensor = painter(at, 64, 16) * looked_at
        return sheets.sum((1, 2, 3))

    (gradient,) = torch.autograd.grad(value(actions).sum(), actions)
    ways = 1e-4 * torch.eye(12, dtype=torch.float64)[:SHAPE_SIZE]
    with torch.no_grad():
        slope = torch.stack([(value(actions + way) - value(actions - way)) / 2e-4 for way in ways], dim=1)
    error = (gradient[:, :SHAPE_SIZE] - slope).norm(dim=1) / slope.norm(dim=1)
    assert error.quantile(0.9) < 1, error


def test_paint_ends_at_the_reach_of_the_brush(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(12, seed=9)
    margin = 48
    sheets = painter(actions, 64, margin)[:, 0]
    along = stroke_geometry.curve(actions, torch.linspace(0, 1, 201)) * 64
    centre = torch.arange(64 + 2 * margin) + 0.5 - margin
    for index in range(12):
        from_curve = torch.stack(
            [((centre[None, :] - x) ** 2 + (centre[:, None] - y) ** 2).sqrt() for x, y in along[index].tolist()]
        ).amin(0)
        reach = sum(painter.reach) * float(stroke_geometry.max_radius(actions[index : index + 1])) * 64 + REACH_PX
        beyond = from_curve > reach + CELL + 0.5
        assert beyond.any()
        assert sheets[index][beyond].abs().max() == 0
        assert sheets[index][~beyond].max() > 0.05


def test_it_paints_larger_than_it_learnt(painter: GeometryPainter, random_actions: Actions) -> None:
    actions = random_actions(16, seed=1, size=0.6)
    small, reduced = painter(actions, 64, 16), F.avg_pool2d(painter(actions, 128, 32), 2)
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
    learnt = painter(actions, 64, 16)[:, 0]
    for a, b in zip(real, learnt.numpy(), strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.85
    assert float(learnt.mean()) == pytest.approx(float(real.mean()), rel=0.25)


# --------------------------------------------------------------------------------------------------- scattered dabs
@pytest.mark.parametrize("dab", [DabShape(0.1), DabShape(0.5), DabShape(0.9)])
@pytest.mark.parametrize(("density", "opacity"), [(0.05, 0.9), (0.5, 0.6), (3.0, 0.2)])
def test_the_moments_of_scattered_dabs(dab: DabShape, density: float, opacity: float) -> None:
    """Those of dabs that are laid at random places, with as many in a square radius."""
    generator, radius, size = torch.Generator().manual_seed(1), 6.0, 400
    count = round(density * (size / radius) ** 2)
    x, y = torch.rand(2, count, generator=generator) * size
    same = (torch.full((count,), value) for value in (radius, opacity, dab.hardness, 1.0, UPRIGHT))
    passed = (
        1
        - rasterize_dabs(Dabs(x, y, *same, torch.zeros(count, dtype=torch.int64)), 1, (size, size))[..., 10:-10, 10:-10]
    )
    told = torch.tensor(density), torch.tensor(opacity), dab
    assert float(passed.mean()) == pytest.approx(float(torch.exp(-expected(*told))), abs=0.02)
    assert float(passed.square().mean()) == pytest.approx(float(torch.exp(-expected_square(*told))), abs=0.02)


def test_a_brush_that_leaves_nothing_to_chance_has_no_dabs(random_actions: Actions) -> None:
    actions = random_actions(6, seed=3)
    painted = []
    for by_chance in (True, False):
        made = GeometryPainter(8, by_chance=by_chance)
        with torch.no_grad():
            for parameter, other in zip(made.parameters(), GeometryPainter(8).parameters(), strict=True):
                parameter.copy_(torch.linspace(-0.3, 0.3, parameter.numel()).view(other.shape))
            made.leave.bias[3] = 1.0  # dabs everywhere
            painted.append(made(actions, 64, 16))
        assert GeometryPainter.of(made.facts()).by_chance == by_chance
    assert painted[0].mean() > 1.1 * painted[1].mean()


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
    t, ox, oy, vx, vy = nearest_point(curve, x, y)
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
        return (torch.stack(nearest_point(curve, x, y)) * looked_at).sum(0)

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
