"""Grain as a brush makes it: round dabs scattered at random, here thickly and there thinly, each as large as the brush.

At a place with a certain density of dabs, how many fall on it is a matter of chance (a Poisson process). Textures hold
layers of scattered dabs; a stroke takes as many layers as make up its density, and of the next one fainter dabs for
what is still lacking. A dab of opacity a lets 1 - a o(r) of the light through, where o is its profile, and dabs on one
another multiply; so a texture holds logarithms, for two opacities, between which others lie. There is one for each size
of brush, whose texels are pixels: dabs that are drawn at one size and looked up at another are ragged.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from artkit.geometry import mix

DENSITIES = (0.02, 0.1, 0.4, 1.5, 5.0, 20.0)
"""Dabs a square brush radius of the first layer, of the first two, and so on."""

_OPACITIES = (0.6, 0.97)
_MOST = 0.99  # the most opaque dab
_KNOTS = 33  # of the table of opacities
_STEPS = [high - low for low, high in zip((0.0, *DENSITIES), DENSITIES, strict=False)]
_SIDE = 128  # texels of a texture's side, after which the grain repeats
_LEAST, _AN_OCTAVE, _SIZES = 0.75, 4, 19  # radius of the smallest texture in px, and how many there are
_PHASES = 4  # places within a pixel, in x and in y, where the middle of a dab may lie
_AVERAGED = 3.0  # px; MyPaint takes the mean over a pixel of smaller dabs


class Dab(NamedTuple):
    """The dabs of a brush. hardness: in (0, 1), as MyPaint understands it. vary: how much the logarithm of their radius
    deviates. opacity: at pressures evenly from 0 to 1, linear between them.
    """

    hardness: float
    vary: float = 0.0
    opacity: tuple[float, ...] = (0.0, 1.0)

    def profile(self, square: Tensor) -> Tensor:
        """What a dab of MyPaint's holds back, 1 in its middle, at squared distances in its radii."""
        core, rim = 1 - square * (1 / self.hardness - 1), (1 - square) * (self.hardness / (1 - self.hardness))
        return torch.where(square < self.hardness, core, rim).clamp(0, 1)

    @property
    def kinds(self) -> list[tuple[float, float]]:
        """Three kinds of dabs, equally frequent: their radius over the brush's, and their opacity over a dab's of its
        size. What is larger by chance is fainter.
        """
        radii = [math.exp(1.09 * self.vary * sign) for sign in (-1, 0, 1)]
        return [(radius, min(1.0, radius**-2)) for radius in radii]

    @property
    def volumes(self) -> tuple[float, float]:
        """The mean integrals, in square brush radii, of what dabs hold back and of its square."""
        h = self.hardness
        square = (1 - h**3) * h / (3 * (1 - h)) + h * h * (1 - h) / 3
        one, two = (sum(radius**2 * fainter**power for radius, fainter in self.kinds) / 3 for power in (1, 2))
        return math.pi * h * one, math.pi * square * two


@cache
def _textures(dab: Dab) -> Tensor:
    """(_SIZES * layers * _SIDE ** 2, 4): for each layer minus the logarithm of the light that the dabs of all layers
    below let through, if they are of the first opacity, and if they are of the second; and the same of its own dabs.
    """
    generator = torch.Generator().manual_seed(0)
    textures = torch.zeros(_SIZES, len(_STEPS), _SIDE**2, 2)
    for size in range(_SIZES):
        radius = _LEAST * 2 ** (size / _AN_OCTAVE)
        stamps, reach = _stamps(dab, radius)
        for layer, density in enumerate(_STEPS):
            count = round(density * (_SIDE / radius) ** 2)
            kind = torch.randint(len(stamps), (count,), generator=generator)
            x, y = torch.randint(_SIDE, (2, count), generator=generator)
            for row in range(2 * reach + 1):
                across = ((y + row - reach) % _SIDE) * _SIDE
                for column in range(2 * reach + 1):
                    place = across + (x + column - reach) % _SIDE
                    textures[size, layer].index_add_(0, place, stamps[kind, row, column])
    return torch.cat([textures.cumsum(1) - textures, textures], dim=-1).view(-1, 4)


@cache
def _textures_on(dab: Dab, device: torch.device, dtype: torch.dtype) -> Tensor:
    return _textures(dab).to(device, dtype)


def _stamps(dab: Dab, radius: float) -> tuple[Tensor, int]:
    """What dabs of a brush's radius in px hold back, (k, 2 reach + 1, 2 reach + 1, 2) for the two opacities, and their
    reach in px: of all kinds, with their middle in all places within a pixel.
    """
    reach = math.ceil(radius * dab.kinds[-1][0])
    fine = 5 if radius < _AVERAGED else 1
    within = (torch.arange(fine) + 0.5) / fine - 0.5
    span = (torch.arange(-reach, reach + 1)[:, None] + within).flatten()
    stamps = []
    for radii, fainter in dab.kinds:
        for phase in range(_PHASES**2):
            y, x = ((number + 0.5) / _PHASES - 0.5 for number in divmod(phase, _PHASES))
            square = ((span - y).square()[:, None] + (span - x).square()) / (radius * radii) ** 2
            held = fainter * dab.profile(square).view(2 * reach + 1, fine, -1, fine).mean((1, 3))
            stamps.append(torch.stack([-(1 - opacity * held).log() for opacity in _OPACITIES], -1))
    return torch.stack(stamps), reach


@cache
def _table(hardness: float) -> Tensor:
    """(_KNOTS, 2): how many times the dabs of the two opacities make up dabs of an opacity from 0 to `_MOST`, such that
    they look alike and hold back as much light on average.
    """
    square = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000  # rings of the same area
    one = Dab(hardness).profile(square)
    known = torch.stack([-(1 - opacity * one).log() for opacity in _OPACITIES], -1)
    rows = [torch.zeros(2, dtype=torch.float64)]
    for opacity in torch.linspace(0, _MOST, _KNOTS, dtype=torch.float64)[1:]:
        wanted = -(1 - opacity * one).log()
        weight = (1 - opacity * one)[:, None]  # an error matters as far as light comes through
        row = torch.linalg.lstsq(known * weight, (wanted * weight[:, 0])[:, None]).solution[:, 0]
        low, high = 0.5, 2.0
        for _ in range(40):
            middle = (low + high) / 2
            held = 1 - torch.exp(-(known @ (row * middle)))
            low, high = (middle, high) if held.mean() < opacity * one.mean() else (low, middle)
        rows.append(row * low)
    return torch.stack(rows).float()


@torch.no_grad()
def dabs(seeds: Tensor, radius: Tensor, x: Tensor, y: Tensor, density: Tensor, dab: Dab) -> Tensor:
    """What the textures have at places x and y, px from a stroke's tile, where there are `density` dabs a square brush
    radius: the shape of x, and 4 last, of which `amounts` tells how many times each counts.

    seeds, int64, which choose the sample, radius, the brush's in px, and density: of a shape that goes with x and y.
    """
    h = mix(seeds * 0x9E3779B1 + 0x85EBCA6B)  # shifts the texture
    size = (_AN_OCTAVE * (radius / _LEAST).log2()).round().clamp(0, _SIZES - 1).long()
    texels = (_LEAST * 2 ** ((_SIZES - 1) / _AN_OCTAVE) / radius).clamp(max=1)  # a pixel has, of the largest one
    column = (x * texels + (h & 0xFFFF)).floor().long() & (_SIDE - 1)
    row = (y * texels + (h >> 16)).floor().long() & (_SIDE - 1)
    textures = _textures_on(dab, x.device, x.dtype)
    layer = size * len(_STEPS) + _layer(density)
    return textures.index_select(0, ((layer * _SIDE + row) * _SIDE + column).flatten()).view(*x.shape, 4)


def amounts(density: Tensor, opacity: Tensor, dab: Dab) -> Tensor:
    """How many times what `dabs` returns counts where `density` dabs a square brush radius have this opacity in [0, 1]:
    their common shape, and 4 last.
    """
    _, share = _below(density)
    return torch.cat([_made_up(opacity, dab), _made_up(opacity * share, dab)], dim=-1)


def _layer(density: Tensor) -> Tensor:
    """The layer that makes a density up: those below it are taken whole."""
    return torch.bucketize(density, density.new_tensor(DENSITIES[:-1]))


def _below(density: Tensor) -> tuple[Tensor, Tensor]:
    """The density of the layers below the one that makes a density up, and how opaque that one's dabs are, over the
    opacity of the others.
    """
    layer = _layer(density.detach())
    below = density.new_tensor((0.0, *DENSITIES[:-1]))[layer]
    return below, ((density - below) / density.new_tensor(_STEPS)[layer]).clamp(max=1)


def _made_up(opacity: Tensor, dab: Dab) -> Tensor:
    table = _table(dab.hardness).to(opacity)
    place = (opacity / _MOST).clamp(0, 1) * (_KNOTS - 1)
    low = place.detach().floor().clamp(max=_KNOTS - 2).long()
    return torch.lerp(table[low], table[low + 1], (place - low)[..., None])


def expected(density: Tensor, opacity: Tensor, dab: Dab) -> Tensor:
    """Minus the logarithm of the light that comes through on average over all samples: a scattering of dabs lets
    exp(-density x area) through, where the area is the integral of what one of them holds back (Campbell's theorem).
    """
    return opacity * density.clamp(max=DENSITIES[-1]) * dab.volumes[0]


def expected_square(density: Tensor, opacity: Tensor, dab: Dab) -> Tensor:
    """Minus the logarithm of the mean square of that light, of which a dab holds back 1 - (1 - a o)^2."""
    below, share = _below(density)
    squares = below + share.square() * density.new_tensor(_STEPS)[_layer(density.detach())]
    twice = opacity.square() * squares * dab.volumes[1]
    return 2 * expected(density, opacity, dab) - twice
