"""Tiles at any place: phases for strokes that do not lie on the lattices of a canvas."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from artkit.geometry.phase import Phase, stroke_tiles

_CELL_PX = 4  # px of the cells in which the overlap of patches is found


def phases_of_tiles(tiles: Tensor, margin: Callable[[int], int]) -> tuple[tuple[Phase, ...], Tensor]:
    """Return phases for tiles (N, 3) in painting order: x, y and side of each, px; and the order of their strokes.

    margin: of the patch around a tile, px, by its side. The phases have as few layers as possible: a stroke is painted
    later than another only if their patches overlap and it comes later in `tiles`. So the picture is that of painting
    the tiles one by one. Returns the phases and the index in `tiles` of each of their strokes, (N,) int64.
    """
    sides = tiles[:, 2].tolist()
    margins = {side: margin(side) for side in set(sides)}
    layers = _layers(tiles, torch.tensor([margins[side] for side in sides]))
    order = torch.from_numpy(np.lexsort((np.arange(len(tiles)), tiles[:, 2].numpy(), layers)))
    keys = torch.stack([torch.from_numpy(layers)[order], tiles[order, 2]], dim=1)
    _, counts = torch.unique_consecutive(keys, dim=0, return_counts=True)
    phases, first = [], 0
    for group in torch.split(order, counts.tolist()):
        phases.append(_phase(tiles[group], first))
        first += len(group)
    return tuple(phases), order


def storable_phases(phases: Sequence[Phase]) -> tuple[Phase, ...]:
    """Return phases as a stroke log stores them: those of a canvas, or one for each tile if tiles lie at any place."""
    if any(phase.stroke_count > 1 and phase.pitch < phase.side for phase in phases):
        return single_phases(stroke_tiles(phases))
    return tuple(phases)


def single_phases(tiles: Tensor) -> tuple[Phase, ...]:
    """Return a phase for each of the tiles (N, 3), in their order: x, y and side, px."""
    return tuple(Phase(i, x, y, side, 1, 1, side) for i, (x, y, side) in enumerate(tiles.tolist()))


def _phase(tiles: Tensor, first: int) -> Phase:
    """Return the phase of tiles of one side: a lattice of every px, of which they are some cells."""
    origins = tiles[:, :2]
    corner, far = origins.amin(0), origins.amax(0)
    columns, rows = (far - corner + 1).tolist()
    x, y = corner.tolist()
    place = origins - corner
    cells = place[:, 1] * columns + place[:, 0]
    return Phase(first, x, y, 1, rows, columns, int(tiles[0, 2]), tuple(cells.tolist()))


def _layers(tiles: Tensor, margins: Tensor) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the layer of each tile, from 0: above those of all earlier tiles whose patches overlap its own: (N,)."""
    low = (tiles[:, :2] - margins[:, None]).numpy()
    high = (tiles[:, :2] + tiles[:, 2:] + margins[:, None]).numpy()
    corner = low.min(0)
    begin, end = (low - corner) // _CELL_PX, -((corner - high) // _CELL_PX)
    height = np.zeros((int(end[:, 1].max()), int(end[:, 0].max())), np.int64)
    layers = np.empty(len(tiles), np.int64)
    for index, ((x0, y0), (x1, y1)) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
        part = height[y0:y1, x0:x1]
        layers[index] = part.max()
        part[:] = layers[index] + 1
    return layers
