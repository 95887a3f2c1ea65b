"""The brush engine as Triton kernels, for CUDA: the arithmetic of `artkit_mypaint.engine`, many strokes at a time."""

from __future__ import annotations

import torch

from artkit import UsageError


def require_triton(device: torch.device) -> None:
    """Raise UsageError if Triton, whose kernels paint strokes and their dabs on a CUDA device, is not installed."""
    try:
        import triton  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"strokes need Triton on {device}: {error}",
            hint="pip install triton (triton-windows on Windows), or run with --device cpu",
        ) from None
