"""Chance that follows from the seed and the number of a stroke."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit.geometry.place import Place


def drawn(numbers: Tensor, seed: int = 3, count: int = 5) -> Tensor:
    return Place(torch.zeros(len(numbers), 2), 8, 0, numbers, (8, 8), seed).random(count)


def test_a_stroke_has_its_numbers_in_any_company() -> None:
    all_of_them = drawn(torch.arange(100))
    assert torch.equal(drawn(torch.tensor([7, 93])), all_of_them[[7, 93]])
    assert torch.equal(drawn(torch.tensor([7]), count=2)[0], all_of_them[7, :2])
    assert torch.equal(all_of_them, drawn(torch.arange(100)))


def test_they_are_even_and_independent() -> None:
    some = drawn(torch.arange(20_000), count=4).double()
    assert some.min() >= 0
    assert some.max() < 1
    counts = torch.histc(some, 20, 0, 1) / some.numel()
    torch.testing.assert_close(counts, torch.full_like(counts, 0.05), atol=0.004, rtol=0)  # five standard deviations
    columns = torch.cat([some, some.roll(1, 0), drawn(torch.arange(20_000), seed=4, count=4).double()], dim=1)
    correlation = torch.corrcoef(columns.T) - torch.eye(columns.shape[1])
    assert correlation.abs().max() < 0.035


def test_seeds_of_any_size_differ() -> None:
    seeds = [0, 1, 2**31, 2**40, 2**63 - 1]
    firsts = {tuple(drawn(torch.arange(3), seed).flatten().tolist()) for seed in seeds}
    assert len(firsts) == len(seeds)
