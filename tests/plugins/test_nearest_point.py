"""Tests of `artkit_painters.nearest_point`."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit_painters.nearest_point import nearest_point


def random_curves(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Curves (6, 1, count), a quarter of them hairpins, and x and y of 200 places near them, px."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(3, 2, 1, count, generator=generator, dtype=torch.float64) * 64
    points[2, :, :, ::4] = points[0, :, :, ::4] + 3  # hairpins end near their start
    start, middle, end = points
    curve = torch.cat([2 * (start + end) - 4 * middle, 4 * middle - 3 * start - end, start])
    x, y = torch.rand(2, 200, count, generator=generator, dtype=torch.float64) * 96 - 16
    return curve, x, y


def test_no_other_point_of_the_curve_is_nearer() -> None:
    curve, x, y = random_curves(200, seed=0)
    t, ox, oy, vx, vy = nearest_point(curve, x, y)
    ax, ay, bx, by, sx, sy = curve
    torch.testing.assert_close((ax * t + bx) * t + sx + ox, x)
    torch.testing.assert_close((ay * t + by) * t + sy + oy, y)
    torch.testing.assert_close(torch.stack([vx, vy]), torch.stack([2 * ax * t + bx, 2 * ay * t + by]))
    assert ((t >= 0) & (t <= 1)).all()
    dense_t = torch.linspace(0, 1, 1000, dtype=torch.float64)[:, None, None]
    px, py = (ax * dense_t + bx) * dense_t + sx, (ay * dense_t + by) * dense_t + sy
    min_distance = torch.stack([((px - x[i]) ** 2 + (py - y[i]) ** 2).amin(0)[0].sqrt() for i in range(len(x))])
    excess = (ox.square() + oy.square()).sqrt() - min_distance
    # Inside a hairpin, a point on the other side may be found that is hardly further away.
    assert excess.max() < 2
    assert (excess > 0.3).double().mean() < 1e-3


def test_gradients_equal_finite_differences() -> None:
    curve, x, y = random_curves(24, seed=1)
    generator = torch.Generator().manual_seed(2)
    result_weights = torch.randn(5, 200, 24, generator=generator, dtype=torch.float64)

    def weighted_sum(curve: Tensor) -> Tensor:
        return (torch.stack(nearest_point(curve, x, y)) * result_weights).sum(0)

    curve.requires_grad_()
    for index in range(6):
        offset = torch.zeros(6, 1, 1, dtype=torch.float64)
        offset[index] = 1e-6
        with torch.no_grad():
            difference = (weighted_sum(curve + offset) - weighted_sum(curve - offset)) / 2e-6
        # Places from which a step leads to another part of the curve have no gradient.
        smooth = difference.abs() < 300
        (gradient,) = torch.autograd.grad((weighted_sum(curve) * smooth).sum(), curve)
        expected = (difference * smooth).sum(0)
        error = (gradient[index, 0] - expected).abs() / (expected.abs() + expected.abs().mean())
        assert smooth.double().mean() > 0.95
        assert error.median() < 0.01
        assert (error < 0.05).double().mean() > 0.8
