"""Tests of `artkit_painters.dab_scattering`."""

from __future__ import annotations

import pytest
import torch

from artkit_mypaint.brush_settings import DabSettings
from artkit_mypaint.dabs import UPRIGHT, Dabs, rasterize_dabs
from artkit_painters.dab_scattering import neg_log_mean_square_transmittance, neg_log_mean_transmittance


@pytest.mark.parametrize("hardness", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("density", "opacity"), [(0.05, 0.9), (0.5, 0.6), (3.0, 0.2)])
def test_moments_equal_those_of_dabs_at_random_positions(hardness: float, density: float, opacity: float) -> None:
    generator, radius, size = torch.Generator().manual_seed(1), 6.0, 400
    count = round(density * (size / radius) ** 2)
    x, y = torch.rand(2, count, generator=generator) * size
    columns = [x, y, *(torch.full((count,), value) for value in (radius, opacity, hardness, 1.0, UPRIGHT))]
    dabs = Dabs._make([*columns, torch.zeros(count, dtype=torch.int64)])
    transmittance = 1 - rasterize_dabs(dabs, 1, (size, size))[..., 10:-10, 10:-10]
    arguments = torch.tensor(density), torch.tensor(opacity), DabSettings(hardness, 0.0, (0.0, 1.0))
    mean = float(torch.exp(-neg_log_mean_transmittance(*arguments)))
    mean_square = float(torch.exp(-neg_log_mean_square_transmittance(*arguments)))
    assert float(transmittance.mean()) == pytest.approx(mean, abs=0.02)
    assert float(transmittance.square().mean()) == pytest.approx(mean_square, abs=0.02)
