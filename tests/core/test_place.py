"""Random numbers of strokes, which depend only on the seed and the stroke's index."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit.geometry.place import Place


def _random(indices: Tensor, seed: int = 3, count: int = 5) -> Tensor:
    return Place(torch.zeros(len(indices), 2), 8, 0, indices, (8, 8), seed).random(count)


def test_the_numbers_of_a_stroke_do_not_depend_on_other_strokes() -> None:
    numbers = _random(torch.arange(100))
    assert torch.equal(_random(torch.tensor([7, 93])), numbers[[7, 93]])
    assert torch.equal(_random(torch.tensor([7]), count=2)[0], numbers[7, :2])
    assert torch.equal(numbers, _random(torch.arange(100)))


def test_the_numbers_are_uniform_and_independent() -> None:
    numbers = _random(torch.arange(20_000), count=4).double()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    shares = torch.histc(numbers, 20, 0, 1) / numbers.numel()
    torch.testing.assert_close(shares, torch.full_like(shares, 0.05), atol=0.004, rtol=0)  # five standard deviations
    other_seed = _random(torch.arange(20_000), seed=4, count=4).double()
    columns = torch.cat([numbers, numbers.roll(1, 0), other_seed], dim=1)
    correlation = torch.corrcoef(columns.T) - torch.eye(columns.shape[1])
    assert correlation.abs().max() < 0.035


def test_seeds_of_any_size_give_different_numbers() -> None:
    seeds = [0, 1, 2**31, 2**40, 2**63 - 1]
    numbers = {tuple(_random(torch.arange(3), seed).flatten().tolist()) for seed in seeds}
    assert len(numbers) == len(seeds)
