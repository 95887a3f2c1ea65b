"""The dabs of which a brush tells while it paints: what a `DabPainter` learns from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from artkit_mypaint.brush import Brush, dabs_of_strokes
from artkit_mypaint.dabs import UPRIGHT, Dabs
from artkit_mypaint.pen_paths import POINTS
from artkit_mypaint.tracing import trace_actions

SEGMENTS = POINTS - 1
"""Pieces of a stroke's way, from one event of the pen to the next."""


class DabRecords(NamedTuple):
    """Dabs of a brush and the strokes that they belong to.

    actions (m, A); sides (m,): of the strokes' tiles, px. dabs: as they were laid, k of them, px from the tile's
    corner; their stroke is the number of the action. t (k,): where on the curve each belongs. counts (m, SEGMENTS): how
    many were laid along each segment.
    """

    actions: Tensor
    sides: Tensor
    dabs: Dabs
    t: Tensor
    counts: Tensor

    def to(self, device: torch.device) -> DabRecords:
        """The same on a device."""
        dabs = Dabs(*(values.to(device) for values in self.dabs))
        actions, sides, t, counts = (v.to(device) for v in (self.actions, self.sides, self.t, self.counts))
        return DabRecords(actions, sides, dabs, t, counts)

    @property
    def upright(self) -> bool:
        """Whether all dabs are round."""
        return bool((self.dabs.aspect == 1).all())


def record_dabs(brush: Brush, actions: Tensor, seed: int, sides: Sequence[int]) -> DabRecords:
    """The dabs that a brush lays for strokes (m, A), which it paints on tiles of `sides` px in turn.

    Raises EngineMissing if this build of libmypaint does not tell of its dabs.
    """
    heard, m = [], len(actions)
    side_of = torch.tensor(sides).repeat(m)[:m]
    for side in dict.fromkeys(sides):
        mine = (side_of == side).nonzero()[:, 0]
        traces = trace_actions(actions[mine], torch.zeros(len(mine), 2), side, mine, seed)
        found = torch.from_numpy(dabs_of_strokes(brush, traces)).float()
        heard.append(torch.cat([mine[found[:, :1].long()].to(found), found[:, 1:]], dim=1))
    stroke, event, x, y, radius, opacity, hardness, aspect, angle = torch.cat(heard).unbind(1)
    # The first event is that of the pen coming down, the second moves it a hair, the last one lifts it.
    segment = event.long() - 2
    on_the_way = (segment >= 0) & (segment < SEGMENTS)
    place = stroke.long() * SEGMENTS + segment.clamp(0, SEGMENTS - 1)
    counts = torch.bincount(place[on_the_way], minlength=m * SEGMENTS)
    # Those of a segment come one after the other, at even distances.
    before = torch.bincount(place, minlength=m * SEGMENTS)
    order = torch.argsort(place, stable=True)
    turn = torch.empty_like(place)
    turn[order] = torch.arange(len(place)) - (before.cumsum(0) - before)[place[order]]
    t = (segment + (turn + 0.5) / before[place]) / SEGMENTS
    angle = torch.where(aspect == 1, UPRIGHT, angle * (math.pi / 180))
    dabs = Dabs(x, y, radius, opacity, hardness, aspect, angle, stroke.long())
    return DabRecords(
        actions, side_of.to(actions), dabs.subset(on_the_way), t[on_the_way], counts.view(m, -1).to(actions)
    )
