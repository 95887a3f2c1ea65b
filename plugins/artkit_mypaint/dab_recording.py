"""Record the dabs of strokes, as training data for neural painters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from artkit_mypaint.dabs import UPRIGHT, Dabs
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.state import DAB_TIME
from artkit_mypaint.pen_paths import POINTS
from artkit_mypaint.tracing import trace_actions

SEGMENTS = POINTS - 1
"""Segments of a stroke, each between two sampled points of its curve."""

_FIRST_MOVE_EVENT = 2  # event 0: the pen comes down; event 1: it is pressed; the event after the last segment: lifted


class DabRecords(NamedTuple):
    """k recorded dabs of m strokes.

    actions (m, A). sides (m,): side of each stroke's tile, px. dabs: k dabs, px from the upper left corner of the
    tile; `dabs.stroke` is the index of the action. t (k,): curve parameter of each dab, in [0, 1]. counts (m,
    SEGMENTS): number of dabs along each segment.
    """

    actions: Tensor
    sides: Tensor
    dabs: Dabs
    t: Tensor
    counts: Tensor

    def to(self, device: torch.device) -> DabRecords:
        """Return a copy on a device."""
        dabs = Dabs(*(values.to(device) for values in self.dabs))
        actions, sides, t, counts = (v.to(device) for v in (self.actions, self.sides, self.t, self.counts))
        return DabRecords(actions, sides, dabs, t, counts)

    @property
    def upright(self) -> bool:
        """Whether all dabs are round and therefore have no angle."""
        return bool((self.dabs.aspect == 1).all())


def record_dabs(engine: Engine, actions: Tensor, seed: int, sides: Sequence[int]) -> DabRecords:
    """Paint m strokes and record their dabs.

    actions (m, A). seed: of the picture. sides: sides of the tiles in px; stroke i is painted with sides[i % len].
    """
    m = len(actions)
    side_of_stroke = torch.tensor(sides).repeat(m)[:m]
    rows = torch.cat([_record_on_side(engine, actions, seed, side_of_stroke, side) for side in dict.fromkeys(sides)])
    stroke, event, x, y, radius, opacity, hardness, aspect, angle = rows.unbind(1)
    segment, t = _curve_parameters(stroke.long(), event.long(), m)
    on_curve = (segment >= 0) & (segment < SEGMENTS)
    counts = torch.bincount((stroke.long() * SEGMENTS + segment)[on_curve], minlength=m * SEGMENTS)
    angle = torch.where(aspect == 1, UPRIGHT, angle * (math.pi / 180))
    dabs = Dabs(x, y, radius, opacity, hardness, aspect, angle, stroke.long()).subset(on_curve)
    return DabRecords(actions, side_of_stroke.to(actions), dabs, t[on_curve], counts.view(m, -1).to(actions))


def _record_on_side(engine: Engine, actions: Tensor, seed: int, side_of_stroke: Tensor, side: int) -> Tensor:
    """Return the dabs of the strokes on tiles of one side (k, 9): stroke, pen event, and the first seven values."""
    indices = (side_of_stroke == side).nonzero()[:, 0]
    paths = trace_actions(actions[indices], torch.zeros(len(indices), 2), side, indices, seed)
    dabs, counts = engine.dabs(paths)
    rows = torch.from_numpy(dabs)
    stroke = indices.repeat_interleave(torch.from_numpy(counts)).to(rows)
    return torch.cat([stroke[:, None], rows[:, DAB_TIME : DAB_TIME + 1].ceil(), rows[:, :DAB_TIME]], dim=1)


def _curve_parameters(stroke: Tensor, event: Tensor, m: int) -> tuple[Tensor, Tensor]:
    """Compute the segment and the curve parameter of each dab: (k,) each.

    The dabs of a segment are drawn in order, at equal distances. Segments outside [0, SEGMENTS) are not on the curve.
    """
    segment = event - _FIRST_MOVE_EVENT
    cell = stroke * SEGMENTS + segment.clamp(0, SEGMENTS - 1)
    dab_count = torch.bincount(cell, minlength=m * SEGMENTS)
    order = torch.argsort(cell, stable=True)
    rank = torch.empty_like(cell)  # of a dab among those of its segment
    rank[order] = torch.arange(len(cell)) - (dab_count.cumsum(0) - dab_count)[cell[order]]
    return segment, (segment + (rank + 0.5) / dab_count[cell]) / SEGMENTS
