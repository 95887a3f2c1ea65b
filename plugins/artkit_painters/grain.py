"""Noise from which a painter makes the grain of its brush: smooth on the scale of the brush, and a function of each
stroke's seed and of the place beside its tile alone.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

SCALES = (0.15, 0.3, 0.5, 0.9)
"""How smooth the maps are: standard deviations of their blur, in brush radii, from fine to coarse."""

FINE = 2
"""The first so many maps are fine enough to differ between the pixels of a cell."""

_SIZE = 512  # texels of the texture's side, after which the noise repeats
_TEXELS = 8  # a brush radius


@cache
def _texture() -> Tensor:
    """(_SIZE ** 2, maps): white noise, blurred, of zero mean and unit variance."""
    generator = torch.Generator().manual_seed(0)
    white = torch.randn(len(SCALES), _SIZE, _SIZE, generator=generator)
    frequency = torch.fft.fftfreq(_SIZE)
    square = frequency[:, None].square() + frequency.square()
    maps = []
    for noise, scale in zip(white, SCALES, strict=True):
        keep = torch.exp(-2 * (torch.pi * scale * _TEXELS) ** 2 * square)
        smooth = torch.fft.ifft2(torch.fft.fft2(noise) * keep).real
        maps.append((smooth - smooth.mean()) / smooth.std())
    return torch.stack(maps, -1).view(-1, len(SCALES)).contiguous()


@torch.no_grad()
def grain(seeds: Tensor, radius: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The noise of strokes at places x and y, px from their tile's corner: the shape of x, and the maps last.

    seeds, int64, and radius, the brush's in px: of a shape that goes with x and y.
    """
    # A 32-bit integer hash (Wellons' lowbias32) of the seed shifts the texture.
    h = (seeds * 0x9E3779B1 + 0x85EBCA6B) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x21F0AAAD) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 0x735A2D97) & 0xFFFFFFFF
    h = h ^ (h >> 15)
    scale = _TEXELS / radius
    column = (x * scale + (h & 0xFFFF)).long() & (_SIZE - 1)
    row = (y * scale + (h >> 16)).long() & (_SIZE - 1)
    texture = _texture().to(x.device, x.dtype)
    return texture.index_select(0, (row * _SIZE + column).flatten()).view(*x.shape, -1)
