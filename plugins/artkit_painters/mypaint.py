"""``type = "mypaint"``: the real MyPaint. With a surrogate it can be painted through: the real stroke forward, the
surrogate's gradient backward (straight-through), so that the picture optimised is the picture MyPaint paints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BeforeValidator
from torch import Tensor

from artkit.config import Config as BaseConfig
from artkit.config import InputFile, Located
from artkit.geometry import Place, Window
from artkit.part import Scene
from artkit.renderer import Paint, Renderer
from artkit.strokes import StrokeLog
from artkit_painters import stroke
from artkit_painters.libmypaint import ONE, EngineMissing
from artkit_painters.tracing import trace
from artkit_painters.workers import Workers

_STROKES = 256  # strokes that the surrogate paints at a time
_NEAR = 2.5  # in tiles: strokes that lie further from a window leave no paint in it, whatever their brush


def _beside_recipe(brush: Any) -> Any:
    if isinstance(brush, Located) and brush.endswith(".myb"):
        return str(brush.folder / Path(brush).expanduser())
    return brush


class MyPaint(Renderer):
    """Strokes of a brush of MyPaint's."""

    name = "mypaint"
    space = stroke.SPACE

    class Config(BaseConfig):
        """Settings."""

        brush: Annotated[str, BeforeValidator(_beside_recipe)] = "classic/dry_brush"
        """The brush, as MyPaint names it (`artkit doctor` tells where brushes are), or a path to a .myb file."""
        surrogate: str = "gan"
        """The painter of this brush whose gradient is taken, or "" for none: then nothing can be optimised, only
        painted again."""

        surrogate_weights: InputFile | None = None
        """Weights of your own training for the surrogate."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self.surrogate: Renderer | None = None
        self._workers: Workers | None = None
        try:
            self._workers = Workers(config.brush)
        except EngineMissing as missing:
            if not config.surrogate:
                raise
            scene.notes.append(f"{missing.message}: the painter alone paints ({missing.remedy})")
        else:
            self._workers.brush.refuse_beyond_coverage()
        if config.surrogate:
            own: dict[str, Any] = {"weights": config.surrogate_weights} if config.surrogate_weights else {}
            if config.surrogate in ("gan", "vae") and self._workers is not None:
                # The gradient of the mean leads better than that of one sample of the brush's randomness.
                own["grain"] = False
            self.surrogate = scene.make("renderer", config.surrogate, brush=config.brush, **own)
            self.provenance.update({f"surrogate.{k}": v for k, v in self.surrogate.provenance.items()})

    @property
    def differentiable(self) -> bool:  # type: ignore[override]
        """With a surrogate."""
        return self.surrogate is not None

    def margin(self, side: int) -> int:
        if self._workers is None and self.surrogate is not None:
            return self.surrogate.margin(side)
        return stroke.margin(side)

    def reach(self, actions: Tensor, side: int) -> Tensor | None:
        # How far the dabs of a brush may scatter is not told by its settings.
        return self.surrogate.reach(actions, side) if self._workers is None and self.surrogate is not None else None

    def forward(self, actions: Tensor, place: Place) -> Paint:
        if self._workers is None:
            assert self.surrogate is not None
            painted: Paint = self.surrogate(actions, place)
            return painted
        real = self._painted(actions, place, Window(0, 0, place.sheet, place.sheet))
        if self.surrogate is not None and torch.is_grad_enabled():
            real = _Straight.apply(actions, real, self.surrogate, place)  # type: ignore[no-untyped-call]
        return Paint(actions[:, stroke.SHAPE :, None, None], real)

    def part(self, actions: Tensor, place: Place, part: Window) -> Paint:
        if self._workers is None:
            assert self.surrogate is not None
            return self.surrogate.part(actions, place, part)
        return Paint(actions[:, stroke.SHAPE :, None, None], self._painted(actions, place, part))

    def _painted(self, actions: Tensor, place: Place, part: Window) -> Tensor:
        """The coverage (m, 1, h, w) of real strokes on a part of their sheets."""
        assert self._workers is not None
        corners = place.origin.cpu().numpy() + (np.array([part.x, part.y]) - place.margin)
        traces = trace(actions, place.origin, place.side, place.number, place.seed)
        sheets = self._workers.paint(traces, corners, part.width, part.height)
        return torch.from_numpy(sheets.view(np.int16)).to(actions.device)[:, None].to(actions.dtype) / ONE

    def replay(self, log: StrokeLog, window: Window) -> Tensor:
        if self._workers is None or log.clip:
            return super().replay(log, window)
        numbers, tiles = log.near(window, _NEAR)
        if not len(numbers):
            return torch.tensor(log.background).view(-1, 1, 1).repeat(1, window.height, window.width)
        actions, tiles = log.actions[numbers], tiles * torch.tensor(window.scale, dtype=torch.float64)
        box = (window.x, window.y, window.width, window.height)
        runs = torch.unique_consecutive(tiles[:, 2], return_counts=True)
        parts, start = [], 0
        for side, count in zip(*(values.tolist() for values in runs), strict=True):
            some = slice(start, start + count)
            parts.append(trace(actions[some], tiles[some, :2], side, numbers[some], log.seed))
            start += count
        pixels = self._workers.picture(parts, box, log.background)
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


class _Straight(torch.autograd.Function):
    """Real coverage forward, the gradient of the surrogate's backward: it paints only then, some strokes at a time."""

    @staticmethod
    def forward(ctx: Any, actions: Tensor, real: Tensor, surrogate: Renderer, place: Place) -> Tensor:
        ctx.save_for_backward(actions)
        ctx.surrogate, ctx.place = surrogate, place
        return real

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (actions,) = ctx.saved_tensors
        slopes = []
        for start in range(0, len(actions), _STROKES):
            some = slice(start, start + _STROKES)
            with torch.enable_grad():
                mine = actions[some].detach().requires_grad_()
                learnt = ctx.surrogate(mine, ctx.place.some(some)).coverage
                slopes += torch.autograd.grad(learnt, mine, gradients[0][some])
        return torch.cat(slopes), None, None, None
