"""``type = "connected"``: the pen stays on the canvas, as in handwriting (paper §3)."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit import Config, Constraint, Scene
from artkit_constraints.numbers import PRESSURE, TOLERANCE, places


class Connected(Constraint):
    """Each stroke starts where the stroke before it on the same tile ended, pressed as hard as that one was."""

    name = "connected"

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._start = places(scene, self.name, "start_x", "start_y", PRESSURE[0])
        self._end = places(scene, self.name, "end_x", "end_y", PRESSURE[1])
        assert scene.canvas is not None
        _, tile = torch.unique(scene.canvas.tiles(), dim=0, return_inverse=True)
        order = torch.argsort(tile, stable=True)
        follows = torch.nonzero(tile[order].diff() == 0)[:, 0]
        self._before, self._after = order[follows], order[follows + 1]

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        out = actions.clone()
        out[:, self._after[:, None], self._start] = actions[:, self._before[:, None], self._end]
        return out

    def is_satisfied(self, actions: Tensor) -> bool:
        starts = actions[:, self._after[:, None], self._start]
        return bool(((starts - actions[:, self._before[:, None], self._end]).abs() <= TOLERANCE).all())
