"""Differentiable rasterisation of dabs on a CUDA device, with room for as many dabs in each stroke.

The number of dabs of a stroke is known on the device only, and the CPU does not wait for it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from artkit_mypaint.dabs import Dabs
from artkit_mypaint.triton_engine import require_triton


def rasterize_padded_dabs(dabs: Dabs, counts: Tensor, size: tuple[int, int]) -> Tensor:
    """Compute `rasterize_dabs` on a CUDA device without waiting for it, in single precision.

    dabs: as many for each of m strokes. counts (m,): how many of its dabs a stroke has; the others are not drawn.
    """
    require_triton(dabs.x.device)
    from artkit_mypaint.triton_engine import transmittance

    m = len(counts)
    values = torch.stack(dabs[:7], dim=1).float().view(m, -1, 7)
    logs = _PaddedLogTransmittance.apply(values, counts.int(), size, transmittance)  # type: ignore[no-untyped-call]
    coverage: Tensor = 1 - logs.exp()
    return coverage[:, None].to(dabs.x.dtype)


class _PaddedLogTransmittance(torch.autograd.Function):
    """`artkit_mypaint.triton_engine.transmittance`, a module, with its gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, counts: Tensor, size: tuple[int, int], kernels: Any) -> Any:
        ctx.save_for_backward(values, counts)
        ctx.kernels = kernels
        return kernels.log_transmittance(values, counts, *size)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.kernels.log_transmittance_backward(*ctx.saved_tensors, gradients[0].contiguous()), None, None, None
