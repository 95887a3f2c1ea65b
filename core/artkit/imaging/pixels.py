"""Conversion between tensors in [0, 1] and integer pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from artkit import memmap

Pixels = npt.NDArray[Any]
"""Unsigned integers of 8 or 16 bits: (h, w, channels)."""


def pixels_to_tensor(pixels: Pixels) -> Tensor:
    """Convert 8-bit pixels (h, w, 3) to a tensor (1, 3, h, w) in [0, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def tensor_to_pixels(image: Tensor, bits: int = 8) -> Pixels:
    """Convert an image (channels, h, w) to pixels (h, w, channels) of 8 or 16 bits. Values are clamped to [0, 1]."""
    white = (1 << bits) - 1
    pixels: Pixels = (image.detach().clamp(0, 1) * white).round().permute(1, 2, 0).cpu().numpy()
    return pixels.astype(f"u{bits // 8}")


def downscale_pixels(pixels: Pixels, factor: int) -> Tensor:
    """Average blocks of `factor` x `factor` 8-bit pixels (h, w, 3): (3, h // factor, w // factor) in [0, 1].

    The pixels may be memory-mapped; one row of blocks is read at a time.
    """
    rows, columns = (length // factor for length in pixels.shape[:2])
    downscaled = np.empty((rows, columns, 3), np.float32)
    for row in range(rows):
        strip = pixels[row * factor : (row + 1) * factor, : columns * factor]
        downscaled[row] = strip.reshape(factor, columns, factor, 3).mean((0, 2))
        memmap.release()
    return torch.from_numpy(downscaled).permute(2, 0, 1) / 255
