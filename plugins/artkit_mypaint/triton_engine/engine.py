"""Paint strokes on a CUDA device: the coverages of `artkit_mypaint.engine`, without copies to the host."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from artkit_mypaint.action_spaces import MAX_LOG_RADIUS
from artkit_mypaint.brush import MIN_SOFTNESS_PX, Brush
from artkit_mypaint.engine.brush_program import BrushProgram
from artkit_mypaint.engine.engine import ORIGIN_GRID_PX, Engine, too_many_dabs
from artkit_mypaint.engine.kernels import MAX_DABS
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.engine.state import COLOURED_DAB_SIZE, DAB_SIZE
from artkit_mypaint.pen_paths import EVENT_SECONDS, PenPaths
from artkit_mypaint.tracing import PathTensors
from artkit_mypaint.triton_engine.dynamics import stroke_dabs
from artkit_mypaint.triton_engine.program import compiled_constants, constant_program, is_bounded, max_dabs
from artkit_mypaint.triton_engine.rasterizing import draw_patches, draw_window

_LANES = 32  # strokes of a program, one for each thread of a warp
_BLOCK_PX = 16  # side of the block of pixels that a program draws
_MAX_BUFFER_BYTES = 1 << 30  # of the dabs that are computed before they are drawn
_OPTIONS: dict[str, Any] = {"num_warps": 1, "enable_fp_fusion": False}  # fused operations would round otherwise


class TritonEngine:
    """Paints strokes with one brush on a CUDA device, or on the CPU with Triton's interpreter.

    Nothing is copied to the host, unless a brush could draw more than `MAX_DABS` dabs on a stroke. The kernels are
    compiled for the brush at its first use, which takes seconds, and cached on the disk by Triton.
    """

    def __init__(self, brush: Brush) -> None:
        self.brush = brush
        self._program = constant_program(BrushProgram.from_settings(brush.settings))
        self._constants = compiled_constants(self._program)
        self.dab_size = COLOURED_DAB_SIZE if brush.colour_setting else DAB_SIZE
        self._is_bounded = is_bounded(self._program)
        self._capacities: dict[float, int] = {}
        self._seconds: Tensor | None = None

    def paint(self, paths: PathTensors, corners: Tensor, width: int, height: int) -> Tensor:
        """Paint each of m strokes on a patch of its own.

        corners (m, 2): upper left corner of each patch, px of the picture, on the device of the paths -> coverages
        (m, 1, height, width), float32 in [0, 1]; of a brush that changes its colour premultiplied RGB and alpha
        (m, 4, height, width). Raises UsageError for a stroke of more than `MAX_DABS` dabs.
        """
        capacity = self.capacity(paths.zoom)
        channels = patch_channels(self.brush)
        patches = torch.empty(len(paths.points), channels, height, width, device=paths.points.device)
        for part in self._parts(len(patches), capacity):
            origins, dabs, counts = self._dabs(paths, part, capacity)
            local = (corners[part] - origins).int().contiguous()
            blocks = math.ceil(width / _BLOCK_PX) * math.ceil(height / _BLOCK_PX)
            draw_patches[len(counts), blocks](
                dabs, counts, local, patches[part], capacity, width, height, self.dab_size, _BLOCK_PX, _BLOCK_PX,
                **_OPTIONS,
            )  # fmt: skip
        return patches

    def draw(self, paths: PathTensors, pixels: Tensor, x: int, y: int) -> None:
        """`Engine.draw`: paint strokes over each other on pixels (h, w, 4) int32, in place."""
        height, width, _ = pixels.shape
        capacity = self.capacity(paths.zoom)
        blocks = math.ceil(width / _BLOCK_PX) * math.ceil(height / _BLOCK_PX)
        colours = (paths.colours * ONE).round().int()
        for part in self._parts(len(paths.points), capacity):
            origins, dabs, counts = self._dabs(paths, part, capacity)
            corners = torch.stack([x - origins[:, 0], y - origins[:, 1]], dim=1).int()
            boxes = _boxes(dabs, counts, corners)
            draw_window[blocks,](
                dabs, counts, corners, boxes, colours[part], pixels, len(counts), capacity, width, height,
                self.dab_size, _BLOCK_PX, _BLOCK_PX, **_OPTIONS,
            )  # fmt: skip

    def _parts(self, strokes: int, capacity: int) -> Iterator[slice]:
        """Yield strokes whose dabs are computed at a time."""
        count = max(_MAX_BUFFER_BYTES // (4 * self.dab_size * capacity), _LANES)
        for start in range(0, strokes, count):
            yield slice(start, start + count)

    def dabs(self, paths: PathTensors) -> tuple[Tensor, Tensor]:
        """Compute the dabs of m strokes: (m, capacity, 9 or 12), as `Engine.dabs` describes them, and counts (m,)."""
        origins, dabs, counts = self._dabs(paths, slice(None), self.capacity(paths.zoom))
        dabs[..., :2] += origins[:, None]
        return dabs, counts

    def capacity(self, zoom: float) -> int:
        """Return the most dabs of a stroke. zoom: px per px of a reference tile."""
        if zoom not in self._capacities:
            low, offset = math.log(zoom), self.brush.max_radius_offset
            self._capacities[zoom] = max_dabs(self._program, offset, low, MAX_LOG_RADIUS + low, zoom)
        return self._capacities[zoom]

    def _dabs(self, paths: PathTensors, part: slice, capacity: int) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the origins (m, 2) of strokes, their dabs (m, capacity, 9) relative to them, and counts (m,)."""
        points = paths.points[part]
        device = points.device
        if self._seconds is None or self._seconds.device != device:
            self._seconds = torch.tensor(EVENT_SECONDS, dtype=torch.float64, device=device)
        origins = (points[:, 0, :2] / ORIGIN_GRID_PX).round() * ORIGIN_GRID_PX
        points = torch.cat([points[..., :2] - origins[:, None], points[..., 2:]], dim=2)
        log_radius = paths.log_radius[part]
        softness = (log_radius.exp() * self.brush.min_radius_ratio).clamp(min=MIN_SOFTNESS_PX)  # see Brush.base_values
        softness = softness.clamp(max=self.brush.softness)
        strokes, events, _ = points.shape
        dabs = torch.empty(strokes, capacity, self.dab_size, device=device)
        counts = torch.empty(strokes, dtype=torch.int32, device=device)
        base = (log_radius - self.brush.max_radius_offset).float()
        seeds, colours = paths.seeds[part].contiguous(), paths.colours[part].float().contiguous()
        stroke_dabs[math.ceil(strokes / _LANES),](
            points, self._seconds, base, softness.float(), seeds, origins, colours, 1 / paths.zoom,
            dabs, counts, strokes, events, capacity, self._constants, self.dab_size, _LANES, **_OPTIONS,
        )  # fmt: skip
        if (capacity == MAX_DABS or not self._is_bounded) and bool((counts < 0).any()):
            raise too_many_dabs(self.brush, capacity)
        return origins, dabs, counts


def _boxes(dabs: Tensor, counts: Tensor, corners: Tensor) -> Tensor:
    """Return the rectangles (m, 4) that the dabs (m, capacity, 9) of strokes cover: left, top, right and bottom, px.

    corners (m, 2): the origin of the rectangles, in the coordinates of the dabs.
    """
    drawn = (torch.arange(dabs.shape[1], device=dabs.device) < counts[:, None]) & dabs[..., :3].isfinite().all(-1)
    centre, extent = dabs[..., :2], dabs[..., 2:3] + 1
    low = (centre - extent).masked_fill(~drawn[..., None], math.inf).amin(1)
    high = (centre + extent).masked_fill(~drawn[..., None], -math.inf).amax(1)
    return torch.cat([low - corners, high - corners], dim=1)


def patch_channels(brush: Brush) -> int:
    """Return the channels of a brush's patches: 1 for coverage, or 4 for premultiplied RGB and alpha."""
    return 4 if brush.colour_setting else 1


@cache
def _engine(brush: str) -> TritonEngine:
    return TritonEngine(Brush(brush))


@cache
def _cpu_engine(brush: str) -> Engine:
    return Engine(brush)


@torch.library.custom_op("artkit_mypaint::paint_patches", mutates_args=())
def paint_patches(
    brush: str,
    points: Tensor,
    log_radius: Tensor,
    colours: Tensor,
    seeds: Tensor,
    zoom: float,
    corners: Tensor,
    width: int,
    height: int,
) -> Tensor:
    """`TritonEngine.paint` as an operator of torch: its shape is known without painting. brush: name or path.

    On the CPU, and so on the simulated GPU of the test kit, the compiled engine computes the same.
    """
    return _engine(brush).paint(PathTensors(points, log_radius, colours, seeds, zoom), corners, width, height)


@paint_patches.register_fake
def _(brush: str, points: Tensor, *others: Any) -> Tensor:
    *_, width, height = others
    shape = (len(points), patch_channels(_engine(brush).brush), height, width)
    return points.new_empty(shape, dtype=torch.float32)


@paint_patches.register_kernel("cpu")
def _(brush: str, *others: Any) -> Tensor:
    engine, (*tensors, zoom, corners, width, height) = _cpu_engine(brush), others
    paths = _numpy_paths(tensors, zoom)
    return torch.from_numpy(engine.paint_patches(paths, corners.long().numpy(), width, height)).float() / ONE


@torch.library.custom_op("artkit_mypaint::draw", mutates_args=())
def drawn(
    brush: str,
    points: Tensor,
    log_radius: Tensor,
    colours: Tensor,
    seeds: Tensor,
    zoom: float,
    pixels: Tensor,
    x: int,
    y: int,
) -> Tensor:
    """`TritonEngine.draw` as an operator of torch, which returns new pixels."""
    result = pixels.clone()
    _engine(brush).draw(PathTensors(points, log_radius, colours, seeds, zoom), result, x, y)
    return result


@drawn.register_fake
def _(brush: str, points: Tensor, *others: Any) -> Tensor:
    return torch.empty_like(others[-3])


@drawn.register_kernel("cpu")
def _(brush: str, *others: Any) -> Tensor:
    *tensors, zoom, pixels, x, y = others
    painted = pixels.numpy().astype("uint16")
    _cpu_engine(brush).draw(_numpy_paths(tensors, zoom), painted, x, y)
    return torch.from_numpy(painted.astype("int32"))


@torch.library.custom_op("artkit_mypaint::stroke_dabs", mutates_args=())
def padded_dabs(
    brush: str, points: Tensor, log_radius: Tensor, colours: Tensor, seeds: Tensor, zoom: float
) -> tuple[Tensor, Tensor]:
    """`TritonEngine.dabs` as an operator of torch; dabs that a stroke does not have may be anything."""
    return _engine(brush).dabs(PathTensors(points, log_radius, colours, seeds, zoom))


@padded_dabs.register_fake
def _(brush: str, points: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
    engine, strokes = _engine(brush), len(points)
    shape = (strokes, engine.capacity(others[-1]), engine.dab_size)
    return points.new_empty(shape, dtype=torch.float32), points.new_empty(strokes, dtype=torch.int32)


@padded_dabs.register_kernel("cpu")
def _(brush: str, *others: Any) -> tuple[Tensor, Tensor]:
    *tensors, zoom = others
    dabs, counts = (torch.from_numpy(array) for array in _cpu_engine(brush).dabs(_numpy_paths(tensors, zoom)))
    padded = torch.full((len(counts), _engine(brush).capacity(zoom), dabs.shape[1]), math.nan)
    stroke = torch.arange(len(counts)).repeat_interleave(counts)
    padded[stroke, torch.arange(len(dabs)) - (counts.cumsum(0) - counts)[stroke]] = dabs
    return padded, counts.int()


def _numpy_paths(tensors: Sequence[Tensor], zoom: float) -> PenPaths:
    points, log_radius, colours, seeds = tensors
    return PenPaths(points.numpy(), log_radius.numpy(), colours.double().numpy(), seeds.numpy(), zoom)
