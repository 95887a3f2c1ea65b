"""``type = "strokes"``: only so many strokes, however many the canvas has room for."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import Constraint, Scene
from artkit_constraints.numbers import PRESSURE, is_lifted, places


class Strokes(Constraint):
    """The strokes with the most paint stay; the others fade while the picture is painted and are gone at the end.

    Which ones stay may change on the way. The pen is lifted for those that go, which leaves nothing in MyPaint with
    brushes that follow its pressure, as the classic ones do.
    """

    name = "strokes"

    class Config(BaseConfig):
        """Settings."""

        most: int = Field(ge=1)
        """How many strokes stay."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._pressure = places(scene, self.name, *PRESSURE)
        self._size = places(scene, self.name, "size")
        assert scene.canvas is not None
        self._side = scene.canvas.tiles()[:, 2].to(scene.device)

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        count = actions.shape[1]
        if count <= self.config.most:
            return actions
        paint = actions[..., self._pressure].mean(-1) * (1 + actions[..., self._size[0]]) * self._side
        kept = paint.detach().topk(self.config.most, dim=1).indices
        share = actions.new_full(actions.shape[:2], 1 - progress).scatter(1, kept, 1.0)
        out = actions.clone()
        out[..., self._pressure] = actions[..., self._pressure] * share[..., None]
        return out

    def is_satisfied(self, actions: Tensor) -> bool:
        return int((~is_lifted(actions, self._pressure)).sum(1).max()) <= self.config.most
