"""Mean and mean square of the light that passes randomly scattered dabs, in closed form.

Dabs are scattered as a Poisson point process of `density` dabs per square brush radius. By Campbell's theorem the mean
transmittance is ``exp(-density * integral)`` with the integral of what a single dab holds back.
"""

from __future__ import annotations

import math

from torch import Tensor

from artkit_mypaint.brush_settings import DabSettings

MAX_DENSITY = 20.0
"""Dabs per square brush radius; higher densities are clamped, since their coverage hardly varies."""


def neg_log_mean_transmittance(density: Tensor, opacity: Tensor, dab: DabSettings) -> Tensor:
    """Return minus the logarithm of the mean transmittance.

    density: dabs per square brush radius. opacity: of the dabs, in [0, 1], of the same shape.
    """
    return opacity * density.clamp(max=MAX_DENSITY) * _profile_integrals(dab)[0]


def neg_log_mean_square_transmittance(density: Tensor, opacity: Tensor, dab: DabSettings) -> Tensor:
    """Return minus the logarithm of the mean squared transmittance, of which a dab holds back 1 - (1 - a o)^2."""
    return (
        2 * neg_log_mean_transmittance(density, opacity, dab)
        - opacity.square() * density.clamp(max=MAX_DENSITY) * _profile_integrals(dab)[1]
    )


def _profile_integrals(dab: DabSettings) -> tuple[float, float]:
    """Mean integrals, in square brush radii, of a dab's profile and of its square."""
    h = dab.hardness
    square = (1 - h**3) * h / (3 * (1 - h)) + h * h * (1 - h) / 3
    first, second = (sum(radius**2 * factor**power for radius, factor in _dab_sizes(dab)) / 3 for power in (1, 2))
    return math.pi * h * first, math.pi * square * second


def _dab_sizes(dab: DabSettings) -> list[tuple[float, float]]:
    """Three equally frequent sizes: radius over the brush's radius, and a factor of the opacity.

    Dabs that are larger by chance are fainter.
    """
    radii = [math.exp(1.09 * dab.log_radius_std * sign) for sign in (-1, 0, 1)]
    return [(radius, min(1.0, radius**-2)) for radius in radii]
