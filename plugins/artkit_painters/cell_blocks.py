"""Selection of the blocks of cells that a brush can reach, so that the geometry painter computes no empty ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from artkit_mypaint import stroke_geometry
from artkit_painters.geometry_features import CELL, BrushFootprint, cell_centres

BLOCK = 4
"""Side in px of a block, which is computed as a whole: in cells of `CELL` px, or in one cell for soft large strokes."""

_MIN_SOFT_EXTENT = 2.0  # brush radii: dabs of brushes with a larger extent scatter so far that their mean has no edges
_MIN_LARGE_RADIUS_PX = 2.5  # radius from which strokes of such brushes have cells of a whole block
_EXTENT_NODES = 33  # points on the curve from which the reached blocks are found


def round_up_to_blocks(length: int) -> int:
    """Round a length in px up to whole blocks."""
    return -(-length // BLOCK) * BLOCK


def patch_size(side: float, margin: int) -> int:
    """Return the side in px, rounded up to whole blocks, of the patch of a tile of `side` px and its margin."""
    return round_up_to_blocks(round(side + 2 * margin))


def group_by_cell_size(footprint: BrushFootprint, actions: Tensor, side: float) -> Iterator[tuple[int, Tensor]]:
    """Yield each side of cells in px with the indices (k,) of the strokes that have such cells."""
    large = has_large_cells(footprint, actions, side)
    for cell, mask in ((CELL, ~large), (BLOCK, large)):
        indices = mask.nonzero()[:, 0]
        if len(indices):
            yield cell, indices


def compute_by_cell_size(
    footprint: BrushFootprint, actions: Tensor, side: float, compute: Callable[[int, Tensor], Tensor]
) -> Tensor:
    """Compute values (k, m, ...) of m strokes, each with its side of cells.

    compute: the side of cells in px and the indices (b,) of strokes -> (k, b, ...). On a CUDA device all strokes are
    computed with each side: which have which is not known on the CPU.
    """
    if not actions.is_cuda:
        groups = list(group_by_cell_size(footprint, actions, side))
        values = torch.cat([compute(cell, indices) for cell, indices in groups], dim=1)
        return values[:, torch.cat([indices for _, indices in groups]).argsort()]
    strokes = torch.arange(len(actions), device=actions.device)
    small = compute(CELL, strokes)
    if not _may_have_large_cells(footprint):
        return small
    large = has_large_cells(footprint, actions, side).view(1, -1, *[1] * (small.dim() - 2))
    return torch.where(large, compute(BLOCK, strokes), small)


def has_large_cells(footprint: BrushFootprint, actions: Tensor, side: float) -> Tensor:
    """Return which strokes have cells of a whole block, (m,)."""
    min_radius = _MIN_LARGE_RADIUS_PX if _may_have_large_cells(footprint) else math.inf
    return stroke_geometry.max_radius(actions.detach()) * side >= min_radius


def _may_have_large_cells(footprint: BrushFootprint) -> bool:
    return sum(footprint.extent) > _MIN_SOFT_EXTENT


@torch.no_grad()
def extent_nodes(footprint: BrushFootprint, actions: Tensor, side: float) -> tuple[Tensor, Tensor]:
    """Sample the curves of strokes with the distance that their paint may have from each sample.

    Returns points (m, k, 2), px relative to the tile's corner, and distances (m, k), px. A distance covers the paint of
    the curve halfway to the next points.
    """
    t = torch.linspace(0, 1, _EXTENT_NODES, device=actions.device, dtype=actions.dtype)
    nodes = stroke_geometry.curve(actions, t) * side
    half_gaps = nodes.diff(dim=1).square().sum(-1).sqrt() / 2
    half_gap = torch.maximum(F.pad(half_gaps, (0, 1)), F.pad(half_gaps, (1, 0)))
    pressure = stroke_geometry.pressure(actions, t)
    radius = (
        stroke_geometry.max_radius(actions)[:, None]
        * side
        * stroke_geometry.radius_at_pressure(pressure, footprint.pressure_radius_curve)
    )
    return nodes, footprint.extent_px(pressure, radius) + half_gap


@torch.no_grad()
def max_extent(footprint: BrushFootprint, actions: Tensor, side: float) -> Tensor:
    """Return how far the paint of strokes extends beyond their tile of `side` px: (m,) px."""
    nodes, distance = extent_nodes(footprint, actions, side)
    beyond = torch.maximum(-nodes, nodes - side).amax(-1)  # of each point, over the nearest edge
    # A cell is painted as a whole if its centre is reached.
    half_cell = torch.where(has_large_cells(footprint, actions, side), BLOCK - 1, CELL - 1) / 2
    return (beyond + distance).amax(1) + half_cell


@torch.no_grad()
def reached_blocks(
    footprint: BrushFootprint, actions: Tensor, corner: Tensor, side: float, size: tuple[int, int], cell: int
) -> Tensor:
    """Return stroke, row and column (3, k) of the blocks of windows in which paint may reach the centre of a cell.

    corner (m, 2): upper left of the windows, px relative to the tile's. size: their width and height in px. cell: side
    of a cell, px.
    """
    nodes, distance = extent_nodes(footprint, actions, side)
    max_distance2 = (distance + (BLOCK - cell) * 2**0.5 / 2).square()
    centres = cell_centres(actions, corner, size, BLOCK)
    x2, y2 = ((nodes[:, :, axis, None] - centre[:, None]).square() for axis, centre in enumerate(centres))
    beyond = ((x2 - max_distance2[:, :, None])[:, :, None] + y2[:, :, :, None]).amin(1)
    return (beyond < 0).nonzero().t()
