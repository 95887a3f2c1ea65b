"""Where the dabs of strokes lie on their curves: one wherever the expected number of dabs reaches the next integer."""

from __future__ import annotations

import itertools
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from artkit_mypaint.dab_recording import SEGMENTS

MAX_DABS = 1 << 14
"""Dabs of a stroke, at most; those of trained painters have some hundreds."""


class DabPositions(NamedTuple):
    """Positions of k dabs, (k,) each: the index of the stroke, the rank in the stroke, and t on the curve."""

    stroke: Tensor
    rank: Tensor
    t: Tensor


def place_dabs(dab_count: Tensor) -> DabPositions:
    """Place dabs, whose number on each segment of the curves of m strokes is expected to be dab_count (m, SEGMENTS)."""
    cumulative = _cumulative(dab_count)
    per_stroke = cumulative[:, -1].clamp(max=MAX_DABS).floor().long()
    stroke = torch.repeat_interleave(torch.arange(len(dab_count), device=dab_count.device), per_stroke)
    rank = torch.arange(len(stroke), device=dab_count.device) - (per_stroke.cumsum(0) - per_stroke)[stroke]
    quantile = (rank + 1).to(cumulative)
    segment = (torch.searchsorted(cumulative[stroke], quantile[:, None], right=True)[:, 0] - 1).clamp(0, SEGMENTS - 1)
    fraction = (quantile - cumulative[stroke, segment]) / dab_count[stroke, segment].clamp(min=1e-9)
    return DabPositions(stroke, rank, (segment + fraction.clamp(0, 1)) / SEGMENTS)


def place_padded_dabs(dab_count: Tensor, capacity: int) -> tuple[DabPositions, Tensor]:
    """`place_dabs` with `capacity` dabs for each stroke, so that nothing depends on the data but their values.

    Returns the positions (m * capacity,), and how many of them a stroke has, (m,) int32.
    """
    m, device = len(dab_count), dab_count.device
    cumulative = _cumulative(dab_count)
    rank = torch.arange(capacity, device=device).expand(m, -1)
    quantile = (rank + 1).to(cumulative)
    segment = (torch.searchsorted(cumulative, quantile, right=True) - 1).clamp(0, SEGMENTS - 1)
    fraction = (quantile - cumulative.gather(1, segment)) / dab_count.gather(1, segment).clamp(min=1e-9)
    stroke = torch.arange(m, device=device)[:, None].expand(-1, capacity)
    t = (segment + fraction.clamp(0, 1)) / SEGMENTS
    positions = DabPositions(stroke.flatten(), rank.flatten(), t.flatten())
    return positions, cumulative[:, -1].clamp(max=capacity).floor().int()


def _cumulative(dab_count: Tensor) -> Tensor:
    """Return the number of dabs before each end of a segment, (m, SEGMENTS + 1)."""
    return F.pad(dab_count.cumsum(1), (1, 0))


@cache
def longest_strokes() -> Tensor:
    """Return actions (k, 9) with the longest curves, with all pressures, the smallest radius and the largest."""
    points = itertools.product((0.0, 1.0), repeat=6)
    pressures = itertools.product((0.0, 0.25, 0.5, 0.75, 1.0), repeat=2)
    actions = itertools.product(points, pressures, ((0.0,), (1.0,)))
    return torch.tensor([[number for part in action for number in part] for action in actions])
