"""``type = "strokes"``: a limit on the number of strokes, on any canvas."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from artkit import Constraint, Scene
from artkit_constraints.dimensions import PRESSURE, dimension_indices, is_lifted


class StrokeLimit(Constraint):
    """Keeps the strokes with the most paint; the others fade during the run and are gone at the end.

    The selection may change from step to step. The pen is lifted for the strokes that are removed; in MyPaint they
    leave no paint if the brush depends on pressure, as the classic brushes do.
    """

    name = "strokes"
    scheduled = ("most",)

    class Config(Constraint.Config):
        """Settings."""

        most: int = Field(ge=1)
        """Number of strokes to keep."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._pressure = dimension_indices(scene, self.name, *PRESSURE)
        self._size = dimension_indices(scene, self.name, "size")
        assert scene.canvas is not None
        self._tile_sides = scene.canvas.tiles()[:, 2].to(scene.device)

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        count = actions.shape[1]
        if count <= self.config.most:
            return actions
        paint = actions[..., self._pressure].mean(-1) * (1 + actions[..., self._size].squeeze(-1)) * self._tile_sides
        selected = paint.detach().topk(self.config.most, dim=1).indices
        factor = actions.new_full(actions.shape[:2], 1 - progress).scatter(1, selected, 1.0)
        out = actions.clone()
        out[..., self._pressure] = actions[..., self._pressure] * factor[..., None]
        return out

    def is_satisfied(self, actions: Tensor) -> bool:
        return int((~is_lifted(actions, self._pressure)).sum(1).max()) <= self.config.most
