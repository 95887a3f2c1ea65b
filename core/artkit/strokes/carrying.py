"""Carry the strokes of a painting over to another canvas, by place and scale.

Each stroke of the painting becomes one of the strokes of the canvas: one whose tile it fits on, at about the same place
in the painting order. A canvas with the same tiles gets every stroke unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from artkit.errors import ArtkitError, UsageError
from artkit.geometry.phase import Phase
from artkit.strokes.action_space import ActionSpace, Dimension
from artkit.strokes.stroke_log import StrokeLog

_CANDIDATES = 16  # strokes of the canvas that a stroke of the painting may become
_CHUNK_STROKES = 1 << 12  # strokes whose candidates are computed at a time
_MAX_OFFSET = 0.25  # how far the centre of a stroke may lie beyond its new tile, in tiles

# What makes a tile fit less, as the distance between tiles, in tiles, that counts as much.
_PROTRUSION_WEIGHT = 8.0  # of a stroke that extends beyond the tile by a whole tile
_SIDE_WEIGHT = 2.0  # of a tile e times as large or as small
_ORDER_WEIGHT = 4.0  # of another place in the painting order, as a fraction of all strokes

_CENTRE_MARGIN = 0.2  # of strokes that are moved onto their tile, in tiles
_TOLERANCE = 1e-9  # of rounding errors, in tiles


def carry_over(log: StrokeLog, space: ActionSpace, size: tuple[int, int], phases: Sequence[Phase]) -> Tensor:
    """Return the strokes of a painting as actions on the tiles of another canvas: (N, A), in [0, 1] or NaN.

    NaN stands for what the painting does not say: for strokes of the canvas that get none of the painting, and for
    dimensions that its actions lack. The painting is scaled to cover a picture of `size` (width, height) px, and
    centred. If the canvas has more strokes, new ones lie below the painting; if it has fewer, the lowest strokes of the
    painting are left out, which the others cover. A stroke that is longer than its tile is shortened. Raises UsageError
    if the actions are not strokes of this space.
    """
    count = sum(phase.stroke_count for phase in phases)
    _check_space(log, space)
    if log.space == space.name and not _positions(space):
        return log.actions[:1].clone()  # one action for the whole picture
    strokes = _ScaledStrokes(log, space, size)
    sources = _assign(*strokes.candidates(phases), count)
    carried = torch.full((count, len(space)), torch.nan)
    for phase in phases:
        sources_of_phase = torch.from_numpy(sources[phase.first : phase.first + phase.stroke_count])
        indices = torch.nonzero(sources_of_phase >= 0)[:, 0]
        carried[phase.first + indices] = strokes.actions(sources_of_phase[indices], phase, indices)
    return carried


def _check_space(log: StrokeLog, space: ActionSpace) -> None:
    places = _positions(space)
    if log.space == space.name and log.names != space.names:
        raise ArtkitError(f"the painting is damaged: its strokes are not those of the renderer {log.renderer['type']}")
    if log.space == space.name or (places and set(places) <= set(log.names)):
        return
    raise UsageError(
        f"the painting was made by the renderer {log.renderer['type']}, whose strokes (action space {log.space}) "
        f"cannot become those of this recipe's ({space.name})",
        hint='choose a renderer with the same kind of strokes, or agent.start = "auto"',
    )


def _positions(space: ActionSpace) -> list[str]:
    """Return the names of the dimensions that are coordinates on a tile."""
    return [d.name for d in space.dimensions if d.unit == "tile" and d.name.rpartition("_")[2] in ("x", "y")]


class _ScaledStrokes:
    """The strokes of a painting in px of a picture of another size, which it covers."""

    def __init__(self, log: StrokeLog, space: ActionSpace, size: tuple[int, int]) -> None:
        scale = max(size[0] / log.size[0], size[1] / log.size[1])
        offset = torch.tensor([(new - scale * old) / 2 for new, old in zip(size, log.size, strict=True)])
        tiles = log.tiles().double() * scale
        self.space, self.side = space, tiles[:, 2]
        self.tile_centre = tiles[:, :2] + offset + self.side[:, None] / 2
        columns = {name: index for index, name in enumerate(log.names)}
        values = [
            log.actions[:, columns[d.name]].double() if d.name in columns else torch.full((len(tiles),), torch.nan)
            for d in space.dimensions
        ]
        self.values = torch.stack([v.expand(len(tiles)) for v in values], dim=1)
        self.xs, self.ys = ([space.names.index(n) for n in _positions(space) if n.endswith(axis)] for axis in "xy")
        corner = tiles[:, :2] + offset
        for indices, axis in ((self.xs, 0), (self.ys, 1)):
            dimensions = [space.dimensions[index] for index in indices]
            on_tile = _physical(self.values[:, indices], dimensions)
            self.values[:, indices] = on_tile * self.side[:, None] + corner[:, axis : axis + 1]  # px of the picture
        points = [self.values[:, indices] for indices in (self.xs, self.ys)]
        self.low = torch.stack([p.amin(1) for p in points], dim=1)
        self.high = torch.stack([p.amax(1) for p in points], dim=1)

    def candidates(self, phases: Sequence[Phase]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return the strokes of the canvas that fit best for each stroke, the best first, and how badly they fit.

        Both are (N, candidates); the cost is infinite for strokes that do not fit at all.
        """
        table = torch.tensor([[p.x, p.y, p.pitch, p.rows, p.columns, p.side] for p in phases]).double()
        slots_by_cell = [phase.strokes_by_cell() for phase in phases]
        chunks = [
            self._candidates(chunk, table, slots_by_cell)
            for chunk in torch.split(torch.arange(len(self.side)), _CHUNK_STROKES)
        ]
        slots, costs = (torch.cat(parts).numpy() for parts in zip(*chunks, strict=True))
        return slots, costs

    def _candidates(self, indices: Tensor, table: Tensor, slots_by_cell: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        x, y, pitch, rows, columns, side = table.T
        low, high = self.low[indices, :, None], self.high[indices, :, None]  # (m, 2, 1)
        origin, counts = torch.stack([x, y]), torch.stack([columns, rows])  # (2, P)
        centre = (low + high) / 2
        cell = ((centre - origin - side / 2) / pitch).round().clamp(min=torch.zeros(()), max=counts - 1)
        corner = origin + cell * pitch
        protrusion = torch.maximum(corner - low, high - corner - side).amax(1).clamp(min=0) / side
        beyond = torch.maximum(corner - centre, centre - corner - side).amax(1) / side
        distance = (self.tile_centre[indices, :, None] - corner - side / 2).abs().sum(1) / side
        counts_before = (rows * columns).cumsum(0) - rows * columns
        slots = torch.cat(list(slots_by_cell))[(counts_before + cell[:, 1] * columns + cell[:, 0]).long()]
        total = sum(int((strokes >= 0).sum()) for strokes in slots_by_cell)
        aligned = indices[:, None] + total - len(self.side)  # so that the last strokes of both correspond
        cost = (
            distance
            + _PROTRUSION_WEIGHT * protrusion
            + _SIDE_WEIGHT * (self.side[indices, None] / side).log().abs()
            + _ORDER_WEIGHT * (aligned - slots).abs() / total
        )
        cost[(beyond > _MAX_OFFSET) | (slots < 0)] = torch.inf
        best = cost.topk(min(_CANDIDATES, len(table)), dim=1, largest=False)
        return slots.gather(1, best.indices), best.values

    def actions(self, strokes: Tensor, phase: Phase, indices: Tensor) -> Tensor:
        """Return strokes (m,) as actions (m, A) on the tiles of a phase with the indices (m,)."""
        values, side = self.values[strokes].clone(), float(phase.side)
        points = torch.stack([values[:, self.xs], values[:, self.ys]], dim=1)  # (m, 2, points)
        points = (points - phase.origins_at(indices)[..., None]) / side
        points = torch.where((points - points.clamp(0, 1)).abs().amax((1, 2), True) > _TOLERANCE, _fit(points), points)
        ratio = self.side[strokes] / side
        for index, dimension in enumerate(self.space.dimensions):
            values[:, index] = _rescaled(dimension, values[:, index], ratio)
        for axis, names in enumerate((self.xs, self.ys)):
            for point, index in enumerate(names):
                dimension = self.space.dimensions[index]
                values[:, index] = (points[:, axis, point] - dimension.low) / (dimension.high - dimension.low)
        return values.clamp(0, 1).float()  # NaN stays NaN


def _fit(points: Tensor) -> Tensor:
    """Move and shorten strokes, whose points are (m, 2, k) in tiles, so that they lie on their tile."""
    centre = ((points.amin(2) + points.amax(2)) / 2)[..., None]
    offset = points - centre
    centre = centre.clamp(_CENTRE_MARGIN, 1 - _CENTRE_MARGIN)
    room = torch.where(offset > 0, 1 - centre, centre)
    factor = (room / offset.abs().clamp(min=_TOLERANCE)).amin((1, 2), keepdim=True).clamp(max=1)
    return centre + factor * offset


def _physical(values: Tensor, dimensions: Sequence[Dimension]) -> Tensor:
    """Return values (N, k) of k dimensions in their units."""
    low, high = (torch.tensor([getattr(d, end) for d in dimensions]).double() for end in ("low", "high"))
    return low + (high - low) * values


def _rescaled(dimension: Dimension, values: Tensor, ratio: Tensor) -> Tensor:
    """Return the values of a dimension on a tile that is smaller by `ratio`: lengths grow relative to it."""
    extent = dimension.high - dimension.low
    if dimension.unit == "tile":
        return ((dimension.low + extent * values) * ratio - dimension.low) / extent
    if dimension.unit.startswith("ln(radius"):
        return values + ratio.log() / extent
    return values


def _assign(slots: npt.NDArray[np.int64], costs: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    """Give each stroke its best candidate that no other stroke fits better, round by round.

    slots, costs (N, candidates): see `_ScaledStrokes.candidates`. Returns the stroke of each
    slot, (count,), -1 for none.
    """
    sources = np.full(count, -1, np.int64)
    waiting = np.arange(len(slots))
    for column in range(slots.shape[1]):
        slot, cost = slots[waiting, column], costs[waiting, column]
        free = (sources[slot] < 0) & np.isfinite(cost)
        strokes, slot, cost = waiting[free], slot[free], cost[free]
        order = np.lexsort((strokes, -cost))  # the lowest cost last, and of equal ones the upper stroke: it stays
        sources[slot[order]] = strokes[order]
        waiting = waiting[sources[slots[waiting, column]] != waiting]
    return sources
