"""``type = "adaptive"``: tiles of several sizes, more and smaller ones where the target has detail."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from artkit import Canvas, InputFile, Phase, Scene, UsageError
from artkit import Config as BaseConfig
from artkit.imaging.loading import load_target_image
from artkit_canvases.faces import face_weights
from artkit_canvases.tile_grid import TileGrid

_MAX_GUIDE_PIXELS = 1 << 21  # the target is reduced to this size before its detail is measured
_BLUR_TILES = 1 / 8  # radius in px of the details that strokes on a tile of 1 px cannot show
_CONTRAST_POWER = 0.5  # so that a faint texture counts for more than its share of the contrast
_DIMINISHING = 0.6  # a further stroke on a tile is worth this fraction of the one before it
_MIN_NEED = 1e-4  # of plain areas, which get strokes last


class Adaptive(Canvas):
    """Divides itself: strokes on large tiles cover the picture, and a given number of strokes in all goes on smaller
    tiles above them, where the target has detail.
    """

    name = "adaptive"
    uses_target: ClassVar[bool] = True

    class Config(BaseConfig):
        """Settings."""

        strokes: int = Field(1300, ge=1)
        """Number of strokes: how fine the picture is."""
        tiles: Annotated[tuple[Annotated[int, Field(ge=8, le=4096)], ...], Field(min_length=1, max_length=12)] = (
            64,
            32,
            16,
        )
        """Side of the tiles of each level, px, from large to small, in painting order. Brush sizes scale with it."""
        base: int = Field(1, ge=0)
        """Strokes on every tile of the first level. The other strokes go where they are needed."""
        detail: Literal["faces"] | InputFile | None = None
        """Where to paint finer: an image, white where most, stretched to the picture; or `faces`, which are found in
        the target (extra `faces`)."""
        emphasis: Annotated[float, Field(ge=1, le=100)] = 4.0
        """How much more a stroke is worth where `detail` is white than where it is black."""

        @model_validator(mode="after")
        def _check(self) -> Self:
            if any(finer >= coarser for coarser, finer in zip(self.tiles, self.tiles[1:], strict=False)):
                raise ValueError(f"tiles {list(self.tiles)} must become smaller from level to level")
            return self

    config: Config

    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        assert scene.renderer is not None
        grids = [TileGrid.covering(scene.size, tile, tile // 2, tile // 4) for tile in self.config.tiles]
        counts = self._stroke_counts(scene, grids)
        phases: list[Phase] = []
        for grid, strokes in zip(grids, counts, strict=True):
            first_stroke = sum(phase.stroke_count for phase in phases)
            phases += grid.phases(strokes, self.margin(scene.renderer, grid.tile), first_stroke)
        return tuple(phases)

    def _stroke_counts(self, scene: Scene, grids: list[TileGrid]) -> list[Tensor]:
        """Return the number of strokes of each tile of each grid: (rows, columns) int64."""
        config = self.config
        counts = [torch.zeros(grid.rows, grid.columns, dtype=torch.int64) for grid in grids]
        counts[0] += config.base
        remaining = config.strokes - int(counts[0].sum())
        if remaining < 0:
            raise UsageError(
                f"canvas.strokes: {config.strokes} strokes are fewer than the {int(counts[0].sum())} that cover the "
                f"picture, {config.base} on each tile of {config.tiles[0]} px",
                hint="set more strokes, larger tiles, or base = 0",
            )
        worth = [grid.tile**0.5 * need for grid, need in zip(grids, self._needs(scene, grids), strict=True)]
        if config.base:
            worth[0] = worth[0] * _DIMINISHING**config.base
        added = distribute(torch.cat([w.flatten() for w in worth]), remaining)
        for count, extra in zip(counts, torch.split(added, [w.numel() for w in worth]), strict=True):
            count += extra.view_as(count)
        return counts

    def _needs(self, scene: Scene, grids: list[TileGrid]) -> list[Tensor]:
        """Return how much detail a stroke of each tile can add: (rows, columns), for each grid."""
        if scene.target is None:
            return [torch.ones(grid.rows, grid.columns) for grid in grids]
        pixels, scale = scene.target.thumbnail(_MAX_GUIDE_PIXELS)
        pixels, weights = pixels.cpu(), self._weights(scene)
        needs = []
        for index, grid in enumerate(grids):
            coarser = grids[index - 1].tile if index else 2 * grid.tile
            lost = (pixels - _blur(pixels, coarser * _BLUR_TILES * scale)).abs().mean(1)[0]
            need = grid.means(lost**_CONTRAST_POWER, scale).clamp(min=_MIN_NEED)
            needs.append(need * (1 + (self.config.emphasis - 1) * grid.means(weights, len(weights[0]) / scene.size[0])))
        return needs

    def _weights(self, scene: Scene) -> Tensor:
        """Return where `detail` calls for finer strokes: (h, w) in [0, 1], of the shape of the picture."""
        detail, target = self.config.detail, scene.target
        assert target is not None
        if detail == "faces":
            return face_weights(target, scene.notes)
        if detail is None:
            return torch.zeros(1, 1)
        image = load_target_image(detail, scene.size, "stretch", notes=scene.notes)
        return image.thumbnail(_MAX_GUIDE_PIXELS)[0].mean((0, 1))


def _blur(image: Tensor, radius: float) -> Tensor:
    """Blur an image (1, c, h, w) by two box filters of about the given radius in px."""
    half = max(1, min(round(radius), *(side - 1 for side in image.shape[-2:])))
    for _ in range(2):
        image = F.avg_pool2d(F.pad(image, (half, half, half, half), mode="replicate"), 2 * half + 1, 1)
    return image


def distribute(worth: Tensor, strokes: int) -> Tensor:
    """Distribute strokes over tiles: (k,) int64.

    worth (k,) > 0: of the first stroke of each tile. Each further stroke of a tile is worth `_DIMINISHING` times the
    one before it. The result is that of giving one stroke after the other to the tile where it is worth most.
    """
    # Stroke j of a tile, from 0, has the level log(worth) + j log(diminishing); those of the highest levels are taken.
    step = -math.log(_DIMINISHING)
    level = worth.double().log()
    low, high = float(level.min()) - step * (strokes / len(level) + 2), float(level.max()) + step
    for _ in range(60):
        middle = (low + high) / 2
        if int(_strokes_above(level, middle, step).sum()) > strokes:
            low = middle
        else:
            high = middle
    counts = _strokes_above(level, high, step)
    next_level = level - step * counts
    best = next_level.argsort(descending=True, stable=True)[: strokes - int(counts.sum())]
    counts[best] += 1
    return counts


def _strokes_above(level: Tensor, threshold: float, step: float) -> Tensor:
    return ((level - threshold) / step).ceil().clamp(min=0).long()
