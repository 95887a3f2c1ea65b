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

from artkit import Config as BaseConfig
from artkit import InputFile, Place, Renderer, Scene, StrokeLog, StrokePatches, Window
from artkit.config import LocatedStr
from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import SHAPE_SIZE, STROKE_SPACE
from artkit_mypaint.libmypaint import ONE, MyPaintMissing
from artkit_mypaint.tracing import trace_actions
from artkit_mypaint.workers import Workers

_SURROGATE_BATCH = 256  # strokes that the surrogate paints at a time
_MAX_EXTENT_TILES = 2.5  # in tiles: strokes that lie further from a window leave no paint in it, whatever their brush


def _resolve_brush_path(brush: Any) -> Any:
    if isinstance(brush, LocatedStr) and brush.endswith(".myb"):
        return str(brush.folder / Path(brush).expanduser())
    return brush


class MyPaint(Renderer):
    """Strokes of a brush of MyPaint's."""

    name = "mypaint"
    space = STROKE_SPACE

    class Config(BaseConfig):
        """Settings."""

        brush: Annotated[str, BeforeValidator(_resolve_brush_path)] = "classic/dry_brush"
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
        except MyPaintMissing as missing:
            if not config.surrogate:
                raise
            scene.notes.append(f"{missing.message}: the painter alone paints ({missing.hint})")
        else:
            self._workers.brush.require_coverage_only()
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
        return stroke_geometry.margin(side)

    def max_extent(self, actions: Tensor, side: int) -> Tensor | None:
        # How far the dabs of a brush may scatter is not told by its settings.
        return (
            self.surrogate.max_extent(actions, side) if self._workers is None and self.surrogate is not None else None
        )

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        if self._workers is None:
            assert self.surrogate is not None
            painted: StrokePatches = self.surrogate(actions, place)
            return painted
        real = self._painted(actions, place, Window(0, 0, place.patch_size, place.patch_size))
        if self.surrogate is not None and torch.is_grad_enabled():
            real = _StraightThrough.apply(actions, real, self.surrogate, place)  # type: ignore[no-untyped-call]
        return StrokePatches(actions[:, SHAPE_SIZE:, None, None], real)

    def forward_region(self, actions: Tensor, place: Place, part: Window) -> StrokePatches:
        if self._workers is None:
            assert self.surrogate is not None
            return self.surrogate.forward_region(actions, place, part)
        return StrokePatches(actions[:, SHAPE_SIZE:, None, None], self._painted(actions, place, part))

    def _painted(self, actions: Tensor, place: Place, part: Window) -> Tensor:
        """The coverage (m, 1, h, w) of real strokes on a part of their sheets."""
        assert self._workers is not None
        corners = place.origin.cpu().numpy() + (np.array([part.x, part.y]) - place.margin)
        traces = trace_actions(actions, place.origin, place.side, place.stroke_index, place.seed)
        sheets = self._workers.paint(traces, corners, part.width, part.height)
        return torch.from_numpy(sheets.view(np.int16)).to(actions.device)[:, None].to(actions.dtype) / ONE

    def replay(self, log: StrokeLog, window: Window) -> Tensor:
        if self._workers is None or log.clip:
            return super().replay(log, window)
        numbers, tiles = log.near(window, _MAX_EXTENT_TILES)
        if not len(numbers):
            return torch.tensor(log.background).view(-1, 1, 1).repeat(1, window.height, window.width)
        actions, tiles = log.actions[numbers], tiles * torch.tensor(window.scale, dtype=torch.float64)
        box = (window.x, window.y, window.width, window.height)
        runs = torch.unique_consecutive(tiles[:, 2], return_counts=True)
        parts, start = [], 0
        for side, count in zip(*(values.tolist() for values in runs), strict=True):
            some = slice(start, start + count)
            parts.append(trace_actions(actions[some], tiles[some, :2], side, numbers[some], log.seed))
            start += count
        pixels = self._workers.picture(parts, box, log.background)
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


class _StraightThrough(torch.autograd.Function):
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
        for start in range(0, len(actions), _SURROGATE_BATCH):
            some = slice(start, start + _SURROGATE_BATCH)
            with torch.enable_grad():
                mine = actions[some].detach().requires_grad_()
                learnt = ctx.surrogate(mine, ctx.place.subset(some)).coverage
                slopes += torch.autograd.grad(learnt, mine, gradients[0][some])
        return torch.cat(slopes), None, None, None
