"""``type = "connected"``: the pen stays on the canvas between strokes, as in handwriting (paper §3)."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit import Config, Constraint, Scene
from artkit_constraints.dimensions import PRESSURE, TOLERANCE, dimension_indices


class Connected(Constraint):
    """Each stroke starts at the point and with the pressure at which the previous stroke on the same tile ended."""

    name = "connected"

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._start = dimension_indices(scene, self.name, "start_x", "start_y", PRESSURE[0])
        self._end = dimension_indices(scene, self.name, "end_x", "end_y", PRESSURE[1])
        assert scene.canvas is not None
        _, tile_indices = torch.unique(scene.canvas.tiles(), dim=0, return_inverse=True)
        order = torch.argsort(tile_indices, stable=True)
        has_previous = torch.nonzero(tile_indices[order].diff() == 0)[:, 0]
        self._previous, self._next = (
            order[indices].to(scene.device)[:, None] for indices in (has_previous, has_previous + 1)
        )

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        out = actions.clone()
        out[:, self._next, self._start] = actions[:, self._previous, self._end]
        return out

    def is_satisfied(self, actions: Tensor) -> bool:
        starts = actions[:, self._next, self._start]
        return bool(((starts - actions[:, self._previous, self._end]).abs() <= TOLERANCE).all())
