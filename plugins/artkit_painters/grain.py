"""Noise from which a painter makes the grain of its brush: smooth noise, and dabs scattered as a brush scatters them,
on the scale of the brush; a function of each stroke's seed and of the place beside its tile alone.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from artkit.geometry import mix

SCALES = (0.15, 0.5)
"""How smooth the maps of white noise are: standard deviations of their blur, in brush radii."""

DABS = (0.1, 0.35, 1.2)
"""How dense the maps of scattered dabs are, in dabs a square brush radius. The next map has this one's dabs too."""

MAPS = len(SCALES) + len(DABS)

_SIZE = 512  # texels of the texture's side, after which the noise repeats
_TEXELS = 8  # a brush radius
_HARDNESS = 0.2  # of the dabs


@cache
def _texture() -> Tensor:
    """(_SIZE ** 2, MAPS): blurred white noise, and coverage by scattered dabs, of zero mean and unit variance."""
    generator = torch.Generator().manual_seed(0)
    frequency = torch.fft.fftfreq(_SIZE)
    square = frequency[:, None].square() + frequency.square()
    maps = []
    for scale in SCALES:
        white = torch.randn(_SIZE, _SIZE, generator=generator)
        maps.append(_filtered(white, torch.exp(-2 * (torch.pi * scale * _TEXELS) ** 2 * square)))
    # Light that passes all dabs over a place is the product of what passes each: a sum of logarithms.
    distance = frequency.abs() * (_SIZE / _TEXELS)
    dab = torch.fft.fft2((1 - _dab(distance[:, None].square() + distance.square())).log())
    expected = torch.tensor([density / _TEXELS**2 for density in DABS]).diff(prepend=torch.zeros(1))
    dabs = torch.zeros(_SIZE, _SIZE)
    for more in expected:
        dabs += torch.poisson(more.expand(_SIZE, _SIZE), generator=generator)
        maps.append(1 - _filtered(dabs, dab).clamp(max=0).exp())
    return torch.stack([(one - one.mean()) / one.std() for one in maps], -1).view(-1, MAPS).contiguous()


def _filtered(picture: Tensor, spectrum: Tensor) -> Tensor:
    filtered: Tensor = torch.fft.ifft2(torch.fft.fft2(picture) * spectrum).real
    return filtered


def _dab(square: Tensor) -> Tensor:
    """Coverage by a dab, as MyPaint draws a soft one, at squared distances in brush radii."""
    core = 1 - square * (1 / _HARDNESS - 1)
    return torch.maximum(core, (1 - square) * (_HARDNESS / (1 - _HARDNESS))).clamp(0, 0.99)


@torch.no_grad()
def grain(seeds: Tensor, radius: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The noise of strokes at places x and y, px from their tile's corner: the shape of x, and the maps last.

    seeds, int64, and radius, the brush's in px: of a shape that goes with x and y.
    """
    h = mix(seeds * 0x9E3779B1 + 0x85EBCA6B)  # shifts the texture
    scale = _TEXELS / radius
    column = (x * scale + (h & 0xFFFF)).long() & (_SIZE - 1)
    row = (y * scale + (h >> 16)).long() & (_SIZE - 1)
    texture = _texture().to(x.device, x.dtype)
    return texture.index_select(0, (row * _SIZE + column).flatten()).view(*x.shape, -1)
