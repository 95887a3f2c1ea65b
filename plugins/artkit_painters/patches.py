"""Sheets of strokes: painted, in figures, and as a picture."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from artkit import Place, Renderer

_COLUMNS = 8
_BATCH = 250


@torch.no_grad()
def paint_patches(painter: Renderer, actions: Tensor, side: int, seed: int, first: int = 0) -> Tensor:
    """The coverages (m, side, side), on the CPU, that a painter gives actions (m, A) on tiles cut at their edge.

    first: the number of the first stroke, which with the seed chooses its randomness.
    """
    sheets = []
    for some in torch.split(torch.arange(len(actions)), _BATCH):
        place = Place(torch.zeros(len(some), 2), side, 0, some + first, (side, side), seed)
        sheets.append(painter(actions[some].to(painter.scene.device), place).coverage[:, 0].cpu())
    return torch.cat(sheets)


def paint_tiles_on_patches(
    paint: Callable[[Tensor, Tensor], Tensor], actions: Tensor, seeds: Tensor, place: Place
) -> Tensor:
    """The sheets (m, 1, S, S) of a network that paints tiles of one size: resized, and bare around the tile.

    paint: actions (k, A) and what chooses their randomness (k, ...) -> (k, 1, s, s).
    """
    sheets = []
    for some, chosen in zip(torch.split(actions, _BATCH), torch.split(seeds, _BATCH), strict=True):
        # Of many strokes nothing is kept for the gradient; they are painted again.
        tiles = checkpoint(paint, some, chosen, use_reentrant=False) if len(actions) > _BATCH else paint(some, chosen)
        if tiles.shape[-1] != place.side:
            tiles = F.interpolate(tiles, size=place.side, mode="bilinear", antialias=True)
        sheets.append(F.pad(tiles, [place.margin] * 4))
    return torch.cat(sheets) if sheets else actions.new_zeros(0, 1, place.patch_size, place.patch_size)


def gradient_energy(coverage: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels: how much grain there is."""
    return coverage.diff(dim=-1).square().mean() + coverage.diff(dim=-2).square().mean()


def comparison_image(real: Tensor, painted: Tensor) -> Tensor:
    """A picture (3, h, w), dark on white, of real strokes (m, S, S), and below each the painted one; rows of eight.

    m: a multiple of eight.
    """
    pairs = torch.cat([real, painted], dim=1)
    rows = [torch.cat(list(row), dim=1) for row in torch.split(pairs, _COLUMNS)]
    return 1 - torch.cat(rows)[None].expand(3, -1, -1)
