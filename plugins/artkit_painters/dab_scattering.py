"""The mean of strokes whose dabs fall by chance, in closed form.

Dabs that are scattered like raindrops, so many a square brush radius, let as much light through on average as a single
integral over one of them tells (Campbell's theorem), and the mean square of that light is known as well.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

MOST = 20.0
"""Dabs a square brush radius: more are as if there were no chance."""


class DabShape(NamedTuple):
    """The dabs of a brush. hardness: in (0, 1), as MyPaint understands it. vary: how much the logarithm of their radius
    deviates. opacity: at pressures evenly from 0 to 1, linear between them.
    """

    hardness: float
    vary: float = 0.0
    opacity: tuple[float, ...] = (0.0, 1.0)

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


def expected(density: Tensor, opacity: Tensor, dab: DabShape) -> Tensor:
    """Minus the logarithm of the light that comes through on average, over all ways in which `density` dabs a square
    brush radius of an opacity in [0, 1] may fall: a scattering of dabs lets exp(-density x volume) through, where the
    volume is the integral of what one of them holds back.
    """
    return opacity * density.clamp(max=MOST) * dab.volumes[0]


def expected_square(density: Tensor, opacity: Tensor, dab: DabShape) -> Tensor:
    """Minus the logarithm of the mean square of that light, of which a dab holds back 1 - (1 - a o)^2."""
    return 2 * expected(density, opacity, dab) - opacity.square() * density.clamp(max=MOST) * dab.volumes[1]
