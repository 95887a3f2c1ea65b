"""Tests of dabs rasterized by Triton, with its interpreter: the coverages and gradients of `artkit_mypaint.dabs`."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from artkit_mypaint.dabs import UPRIGHT, Dabs, log_transmittance

pytest.importorskip("triton")

from artkit_mypaint.triton_engine.transmittance import sum_gradients, sum_logs

COUNTS = (6, 4)
WIDTH, HEIGHT, BLOCK_PX, PROGRAM_DABS = 20, 18, 16, 4


def random_dabs(round_only: bool) -> Tensor:
    """Return dabs (2, 6, 7), some of them with a soft edge of small dabs, and some across the edge of the picture."""
    x, y, radius, opacity, hardness, aspect, angle = torch.rand(7, 12, generator=torch.Generator().manual_seed(0))
    aspect, angle = (aspect * 0 + 1, angle * 0 + UPRIGHT) if round_only else (1 + 4 * aspect, 3 * angle)
    shapes = (x * 24 - 2, y * 24 - 2, 0.5 + 4 * radius, 0.05 + 0.94 * opacity, 0.1 + 0.8 * hardness, aspect, angle)
    return torch.stack(shapes, dim=1).view(2, 6, 7)


@pytest.mark.parametrize("round_only", [False, True])
def test_triton_rasterizes_dabs_with_their_gradient(round_only: bool) -> None:
    values = random_dabs(round_only).requires_grad_()
    drawn = torch.cat([stroke[:count] for stroke, count in zip(values, COUNTS, strict=True)])
    stroke = torch.arange(2).repeat_interleave(torch.tensor(COUNTS))
    expected = log_transmittance(Dabs(*drawn.unbind(1), stroke), 2, (WIDTH, HEIGHT)).view(2, HEIGHT, WIDTH)
    weights = torch.randn(2, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    (expected_gradient,) = torch.autograd.grad(expected, values, weights)

    plain, counts = values.detach(), torch.tensor(COUNTS, dtype=torch.int32)
    logs, gradient = torch.empty(2, HEIGHT, WIDTH), torch.zeros(2, 6, 7)
    sum_logs[2, 4](plain, counts, logs, 6, WIDTH, HEIGHT, BLOCK_PX)
    sum_gradients[2, 2](plain, counts, weights, gradient, 6, WIDTH, HEIGHT, BLOCK_PX, PROGRAM_DABS)
    assert expected.min() < -1
    torch.testing.assert_close(logs, expected.detach(), atol=1e-5, rtol=0)
    shape = 5 if round_only else 7  # the angle of a round dab has no meaning
    torch.testing.assert_close(gradient[..., :shape], expected_gradient[..., :shape], atol=1e-4, rtol=1e-4)
    assert expected_gradient[..., :shape].abs().amax((0, 1)).min() > 0.1
    assert not gradient[1, COUNTS[1] :].any()
