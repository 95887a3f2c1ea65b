"""TODO: artkit.imaging.pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from artkit import memmap

Pixels = npt.NDArray[Any]
"""Whole numbers of 8 or 16 bits: (h, w, channels)."""


def pixels_to_tensor(pixels: Pixels) -> Tensor:
    """8-bit pixels (h, w, 3) as a tensor (1, 3, h, w) in [0, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def tensor_to_pixels(image: Tensor, bits: int = 8) -> Pixels:
    """A picture (channels, h, w) in [0, 1] as whole numbers of 8 or 16 bits, (h, w, channels)."""
    white = (1 << bits) - 1
    pixels: Pixels = (image.detach().clamp(0, 1) * white).round().permute(1, 2, 0).cpu().numpy()
    return pixels.astype(f"u{bits // 8}")


def downscale_pixels(pixels: Pixels, shrink: int) -> Tensor:
    """8-bit pixels (h, w, 3), which may lie on the disk, as a picture that many times smaller: (3, ., .) in [0, 1]."""
    rows, columns = (side // shrink for side in pixels.shape[:2])
    small = np.empty((rows, columns, 3), np.float32)
    for row in range(rows):
        strip = pixels[row * shrink : (row + 1) * shrink, : columns * shrink]
        small[row] = strip.reshape(shrink, columns, shrink, 3).mean((0, 2))
        memmap.release()
    return torch.from_numpy(small).permute(2, 0, 1) / 255
