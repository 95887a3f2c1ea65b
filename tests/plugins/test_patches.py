"""Tests of `artkit_painters.patches`."""

from __future__ import annotations

import torch

from artkit_painters.patches import gradient_energy


def test_gradient_energy_is_higher_for_noise_than_for_blurred_noise() -> None:
    noise = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(noise, 3, 1, 1)
    assert gradient_energy(noise) > 3 * gradient_energy(blurred)
    assert gradient_energy(torch.ones(1, 1, 8, 8)) == 0
