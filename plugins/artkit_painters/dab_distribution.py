"""Distribution of the dabs of a stroke, as the dab painter predicts it, and the random numbers that sample it."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from artkit.geometry.place import hash_uint32

MAX_DEVIATIONS = 4.0
"""Standard deviations to which random numbers are clamped, so that the extent of paint is bounded."""


class DabDistribution(NamedTuple):
    """Distribution of dabs, (k,) each.

    log_density: logarithm of the number of dabs per brush radius along the curve. tangent_offset, normal_offset: mean
    displacement in brush radii, along the curve and to its right. offset_std: standard deviation of both. log_radius:
    mean logarithm of the mid-edge radius over the brush radius, and log_radius_std: its standard deviation.
    opacity_std: standard deviation of the opacity.
    """

    log_density: Tensor
    tangent_offset: Tensor
    normal_offset: Tensor
    offset_std: Tensor
    log_radius: Tensor
    log_radius_std: Tensor
    opacity_std: Tensor

    def mean_offset(self, direction: Tensor) -> Tensor:
        """Mean displacement in x and y, (k, 2) brush radii; direction (k, 2): of the curve."""
        normal = torch.stack([-direction[:, 1], direction[:, 0]], dim=1)
        return self.tangent_offset[:, None] * direction + self.normal_offset[:, None] * normal


class DabAppearance(NamedTuple):
    """Appearance of dabs of known radius, (k,) each.

    opacity: mean, in [0, 1]. edge_width: width of the fading edge over the mid-edge radius. log_aspect: logarithm of
    the aspect ratio. cos, sin: of the angle, not normalised.
    """

    opacity: Tensor
    edge_width: Tensor
    log_aspect: Tensor
    cos: Tensor
    sin: Tensor


def clamped_normal(seeds: Tensor, index: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return four normal numbers for each dab, clamped to `MAX_DEVIATIONS`, from the seed of its stroke and its index.

    By the Box-Muller transform of hashed integers.
    """
    base = hash_uint32(hash_uint32(seeds) + index)
    first, second, third, fourth = ((hash_uint32(base + offset).to(dtype) + 0.5) / 2**32 for offset in range(4))
    normals = []
    for uniform_radius, uniform_angle in ((first, second), (third, fourth)):
        radius, angle = (-2 * uniform_radius.log()).sqrt(), 2 * math.pi * uniform_angle
        normals += [(radius * axis).clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS) for axis in (angle.cos(), angle.sin())]
    first, second, third, fourth = normals
    return first, second, third, fourth
