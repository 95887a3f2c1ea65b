"""``type = "mypaint"``: MyPaint's strokes, with the gradient of a smooth model of them (straight-through).

The forward pass returns the real strokes, computed by the compiled brush engine. The backward pass returns the gradient
of their expected coverage, of a neural painter, or of their dabs. So the picture that is optimised is the picture that
MyPaint paints.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from pydantic import model_validator
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import InputFile, Place, Renderer, Scene, StrokeLog, StrokePatches, Window, to_device
from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import SHAPE_SIZE, STROKE_SPACE
from artkit_mypaint.brush import Brush
from artkit_mypaint.brush_files import BrushName
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.exact_coverage import exact_coverage
from artkit_mypaint.expected_coverage import ExpectedCoverage, measure_brush
from artkit_mypaint.pen_paths import PenPaths
from artkit_mypaint.tracing import path_tensors, trace_actions
from artkit_mypaint.triton_engine import require_triton

_SURROGATE_BATCH = 256  # strokes per backward pass of the surrogate
_EXTENT_SLACK_TILES = 0.65  # for curves that leave their tile, by 1/8 at most, and edges that fade over a few px


class StrokePainter(Protocol):
    """What paints the strokes of a brush: `Engine`, or libmypaint in `Workers`."""

    brush: Brush

    def paint(self, paths: PenPaths, corners: npt.NDArray[np.int64], width: int, height: int) -> npt.NDArray[np.uint16]:
        """See `Engine.paint`."""

    def paint_window(
        self, groups: Sequence[PenPaths], window: tuple[int, int, int, int], background: Sequence[float]
    ) -> npt.NDArray[np.float32]:
        """See `Engine.paint_window`."""


class MyPaint(Renderer):
    """Strokes of a MyPaint brush, painted by the compiled brush engine."""

    name = "mypaint"
    space = STROKE_SPACE
    painter_class: ClassVar[type[Any]] = Engine

    class Config(BaseConfig):
        """Settings."""

        brush: BrushName = "classic/dry_brush"
        """Name of a MyPaint brush (`artkit brushes` lists them), with or without its folder, or path to a .myb file."""
        gradient: Literal["expected", "mean", "exact"] = "expected"
        """Where the gradient of a stroke comes from. `expected`: its expected coverage in closed form, for any brush.
        `mean`: a neural painter trained on the mean of the brush's strokes, see `surrogate`; the default where a recipe
        names a surrogate. `exact`: the very dabs that are painted, whose gradient ends at their edge."""
        surrogate: str = "gan"
        """The neural painter of this brush whose gradient `mean` uses. "" for no gradient at all: then nothing can be
        optimised, only replayed."""

        surrogate_weights: InputFile | None = None
        """Your own weights for the surrogate."""

        @model_validator(mode="before")
        @classmethod
        def _surrogate_means_mean(cls, values: Any) -> Any:
            named = isinstance(values, dict) and (values.get("surrogate") or values.get("surrogate_weights"))
            return {"gradient": "mean", **values} if named else values

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self.surrogate: Renderer | None = None
        self.painter: StrokePainter = self.painter_class(config.brush)
        self._engine = self.painter if isinstance(self.painter, Engine) else Engine(config.brush)
        if config.surrogate and config.gradient == "mean":
            options: dict[str, Any] = {"weights": config.surrogate_weights} if config.surrogate_weights else {}
            if config.surrogate in ("gan", "vae"):
                # The gradient of the mean stroke is a better descent direction than that of a random sample.
                options["grain"] = False
            self.surrogate = scene.make("renderer", config.surrogate, brush=config.brush, **options)
            self.provenance.update({f"surrogate.{k}": v for k, v in self.surrogate.provenance.items()})

    @cached_property
    def _expected_coverage(self) -> ExpectedCoverage:
        """The brush, measured at the first gradient: a renderer that only replays strokes does not need it."""
        return ExpectedCoverage(measure_brush(self._engine))

    @property
    def differentiable(self) -> bool:  # type: ignore[override]
        """Whether there is a gradient; `surrogate = ""` turns it off."""
        return bool(self.config.surrogate)

    def margin(self, side: int) -> int:
        return stroke_geometry.margin(side)

    def max_extent(self, actions: Tensor, side: int) -> Tensor | None:
        return None  # the settings of a brush do not say how far its dabs scatter

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        patches = self.forward_region(actions, place, Window(0, 0, place.patch_size, place.patch_size))
        if self.differentiable and torch.is_grad_enabled():
            coverage = _StraightThrough.apply(actions, patches.coverage, self, place)  # type: ignore[no-untyped-call]
            return StrokePatches(patches.colour, coverage)
        return patches

    def gradient(self, actions: Tensor, place: Place, gradient: Tensor) -> Tensor:
        """Return the gradient (m, A) of actions, for that of their coverages (m, 1, S, S), by the surrogate."""
        if self.surrogate is None and self.config.gradient == "expected":
            return self._expected_coverage.to(actions.device).gradient(actions, place, gradient)
        gradients: list[Tensor] = []
        for start in range(0, len(actions), _SURROGATE_BATCH):
            batch = slice(start, start + _SURROGATE_BATCH)
            with torch.enable_grad():
                inputs = actions[batch].detach().requires_grad_()
                coverage = self._surrogate_coverage(inputs, place.subset(batch))
                gradients += torch.autograd.grad(coverage, inputs, gradient[batch])
        return torch.cat(gradients)

    def _surrogate_coverage(self, actions: Tensor, place: Place) -> Tensor:
        """Compute coverages (m, 1, S, S) whose gradient replaces that of the real strokes."""
        if self.surrogate is None:
            return exact_coverage(self._engine, actions, place)
        patches: StrokePatches = self.surrogate(actions, place)
        return patches.coverage

    def forward_region(self, actions: Tensor, place: Place, region: Window) -> StrokePatches:
        colour = actions[:, SHAPE_SIZE:, None, None]
        on_device = actions.is_cuda and isinstance(self.painter, Engine)
        painted = (self._paint_on_device if on_device else self._paint)(actions, place, region)
        if painted.shape[1] == 1:
            return StrokePatches(colour, painted)
        # The brush changes its colour within a stroke. The gradient of a pixel's colour is that of the stroke's.
        coverage = painted[:, 3:]
        change = (painted[:, :3] / coverage.clamp(min=1 / ONE)).clamp(max=1) - colour.detach()
        return StrokePatches(colour + torch.where(coverage > 0, change, 0), coverage.contiguous())

    def _paint(self, actions: Tensor, place: Place, region: Window) -> Tensor:
        """Paint strokes in a region of their patches.

        Returns coverages (m, 1, h, w); or, of a brush that changes its colour, premultiplied RGB and alpha
        (m, 4, h, w).
        """
        corners = place.origin.cpu().numpy() + (np.array([region.x, region.y]) - place.margin)
        paths = trace_actions(actions, place.origin, place.side, place.stroke_index, place.seed)
        if isinstance(self.painter, Engine):
            painted = self.painter.paint_patches(paths, corners, region.width, region.height)
        else:
            painted = self.painter.paint(paths, corners, region.width, region.height)[:, None]
        return torch.from_numpy(painted).to(actions.device).to(actions.dtype) / ONE

    def _paint_on_device(self, actions: Tensor, place: Place, region: Window) -> Tensor:
        """`_paint` by the kernels for CUDA."""
        require_triton(actions.device)
        from artkit_mypaint.triton_engine.engine import paint_patches

        origin = place.origin.to(actions.device)
        x, y = origin.unbind(1)
        corners = torch.stack([x + (region.x - place.margin), y + (region.y - place.margin)], dim=1)
        paths = path_tensors(actions, origin, place.side, place.stroke_index.to(actions.device), place.seed)
        painted: Tensor = paint_patches(self.config.brush, *paths, corners, region.width, region.height)
        return painted.to(actions.dtype)

    def replay(self, log: StrokeLog, window: Window) -> Tensor:
        if log.clip:
            return super().replay(log, window)
        max_extent = stroke_geometry.LARGEST_RADIUS * self.painter.brush.max_extent_radii + _EXTENT_SLACK_TILES
        indices, tiles = log.near(window, max_extent)
        if not len(indices):
            return torch.tensor(log.background).view(-1, 1, 1).repeat(1, window.height, window.width)
        tiles = tiles * torch.tensor(window.scale, dtype=torch.float64)
        groups = _groups_of_log(log, indices, tiles)
        if self.scene.device.type == "cuda" and isinstance(self.painter, Engine):
            return self._replay_on_device(groups, log, window)
        box = (window.x, window.y, window.width, window.height)
        paths = [trace_actions(*group, log.seed) for group in groups]
        pixels = self.painter.paint_window(paths, box, log.background)
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    def _replay_on_device(self, groups: list[_LogGroup], log: StrokeLog, window: Window) -> Tensor:
        """Paint groups of strokes over each other by the kernels for CUDA."""
        device = self.scene.device
        require_triton(device)
        from artkit_mypaint.triton_engine.engine import drawn

        base = (torch.tensor([*log.background, 1.0][:4], dtype=torch.float64) * ONE).round().int()
        pixels = to_device(base.repeat(window.height, window.width, 1), device)
        for group in groups:
            actions, origins, indices = (to_device(t, device) for t in (group.actions, group.origins, group.indices))
            paths = path_tensors(actions, origins, group.side, indices, log.seed)
            pixels = drawn(self.config.brush, *paths, pixels, window.x, window.y)
        return (pixels.float() / ONE).permute(2, 0, 1)[: len(log.background)]


class _LogGroup(NamedTuple):
    """Strokes of a log on tiles of the same side: what `trace_actions` needs of them."""

    actions: Tensor
    origins: Tensor
    side: float
    indices: Tensor


def _groups_of_log(log: StrokeLog, indices: Tensor, tiles: Tensor) -> list[_LogGroup]:
    """Return the strokes (m,) of a log, a group for each run of tiles (m, 3) of the same side."""
    groups: list[_LogGroup] = []
    sides, counts = torch.unique_consecutive(tiles[:, 2], return_counts=True)
    start = 0
    for side, count in zip(sides.tolist(), counts.tolist(), strict=True):
        group = slice(start, start + count)
        own = indices[group]
        noise_indices = own if log.noise_indices is None else log.noise_indices[own]
        groups.append(_LogGroup(log.actions[own], tiles[group, :2], side, noise_indices))
        start += count
    return groups


class _StraightThrough(torch.autograd.Function):
    """Return the real coverage in the forward pass, and the gradient of the surrogate in the backward pass.

    The surrogate paints only in the backward pass, in batches.
    """

    @staticmethod
    def forward(ctx: Any, actions: Tensor, coverage: Tensor, renderer: MyPaint, place: Place) -> Tensor:
        ctx.save_for_backward(actions)
        ctx.renderer, ctx.place = renderer, place
        return coverage

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (actions,) = ctx.saved_tensors
        return ctx.renderer.gradient(actions, ctx.place, gradients[0]), None, None, None
