"""``type = "connected"``: the pen stays on the canvas between strokes, as in handwriting (paper §3)."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit import Config, Constraint, Scene
from artkit_constraints.dimensions import PRESSURE, TOLERANCE, dimension_indices


class Connected(Constraint):
    """Each stroke starts at the point and with the pressure at which the previous stroke on the same tile ended.

    On the canvas `line`, whose strokes have a tile each, the previous stroke is that before it on the line.
    """

    name = "connected"

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._start = dimension_indices(scene, self.name, "start_x", "start_y", PRESSURE[0])
        self._end = dimension_indices(scene, self.name, "end_x", "end_y", PRESSURE[1])
        assert scene.canvas is not None
        tiles, chain = scene.canvas.tiles(), scene.canvas.chain
        if chain is None:
            _, tile_indices = torch.unique(tiles, dim=0, return_inverse=True)
            order = torch.argsort(tile_indices, stable=True)
            has_previous = torch.nonzero(tile_indices[order].diff() == 0)[:, 0]
            previous, following = order[has_previous], order[has_previous + 1]
        else:
            previous, following = chain[:-1], chain[1:]
        # Where the tile of the previous stroke lies on that of the next one, in tiles, and how large it is there.
        shift = (tiles[previous, :2] - tiles[following, :2]) / tiles[following, 2:]
        self._shift = torch.cat([shift, torch.zeros(len(shift), 1)], dim=1).to(scene.device)
        self._previous, self._next = (indices.to(scene.device)[:, None] for indices in (previous, following))

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        end = actions[:, self._previous, self._end]
        with torch.no_grad():  # a point outside the tile of the next stroke moves to its edge, its gradient unchanged
            offset = (end + self._shift).clamp(0, 1) - self._shift - end
        out = actions.clone()
        out[:, self._previous, self._end] = end + offset
        out[:, self._next, self._start] = end + offset + self._shift
        return out

    def is_satisfied(self, actions: Tensor) -> bool:
        starts = actions[:, self._next, self._start]
        ends = actions[:, self._previous, self._end] + self._shift
        return bool(((starts - ends).abs() <= TOLERANCE).all())
