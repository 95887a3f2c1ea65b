"""Windows cropped from stroke patches, on which painters are trained."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from artkit.devices import to_device
from artkit_mypaint import stroke_geometry
from artkit_painters.geometry_features import CELL
from artkit_painters.stroke_data import PatchArray, StrokeSet

_ALIGNMENT_PX = 2 * CELL  # of the windows' corners: windows are whole cells, also at half the size
_REDUCED_SHARE = 1 / 3


class StrokeWindows(NamedTuple):
    """Square windows of strokes.

    actions (m, A). seeds (m,), int64: of the strokes' noise. coverage (m, 1, W, W). corner (m, 2), int64: upper left of
    each window, px relative to the tile's. side: of the tile, px.
    """

    actions: Tensor
    seeds: Tensor
    coverage: Tensor
    corner: Tensor
    side: int

    def to(self, device: torch.device) -> StrokeWindows:
        """Move the tensors to a device."""
        actions, seeds, coverage, corner = (to_device(values, device) for values in self[:4])
        return StrokeWindows(actions, seeds, coverage, corner, self.side)


def centred_windows(
    actions: Tensor, patches: PatchArray, strokes: StrokeSet, generator: torch.Generator
) -> StrokeWindows:
    """Crop windows of the tile's size, with each stroke in the centre.

    One batch in three is reduced to half the size, so that painters are trained on thinner strokes too.
    """
    reduced = float(torch.rand((), generator=generator)) < _REDUCED_SHARE
    nodes = stroke_geometry.curve(actions, torch.linspace(0, 1, 9)) * strokes.side
    centre = (nodes.amin(1) + nodes.amax(1)) / 2
    windows = _crop(actions, patches, strokes, centre, strokes.side, generator)
    if not reduced:
        return windows
    return windows._replace(
        coverage=F.avg_pool2d(windows.coverage, 2), corner=windows.corner // 2, side=windows.side // 2
    )


def close_windows(
    actions: Tensor, patches: PatchArray, strokes: StrokeSet, generator: torch.Generator
) -> StrokeWindows:
    """Crop windows of half the tile's side around a random point of each stroke.

    They are not reduced: MyPaint softens edges in px, so a critic would learn the edges of averaged strokes instead.
    """
    centre = stroke_geometry.curve(actions, torch.rand(1, generator=generator))[:, 0] * strokes.side
    return _crop(actions, patches, strokes, centre, strokes.side // 2, generator)


def _crop(
    actions: Tensor, patches: PatchArray, strokes: StrokeSet, centre: Tensor, size: int, generator: torch.Generator
) -> StrokeWindows:
    """Crop windows of `size` px around centres (m, 2), px relative to the tile's corner."""
    low, high = -strokes.margin, strokes.side + strokes.margin - size
    corner = ((centre - size / 2) / _ALIGNMENT_PX).round().long().mul(_ALIGNMENT_PX).clamp(low, high)
    windows = np.empty((len(actions), size, size), np.uint8)
    for index, (x, y) in enumerate((corner + strokes.margin).tolist()):
        windows[index] = patches[index, y : y + size, x : x + size]
    coverage = torch.from_numpy(windows).float().div_(255)[:, None]
    seeds = torch.randint(1 << 30, (len(actions),), generator=generator)
    return StrokeWindows(actions, seeds, coverage, corner, strokes.side)
