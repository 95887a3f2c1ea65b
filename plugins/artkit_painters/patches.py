"""Stroke patches: painting, comparing and showing them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from artkit import Place, Renderer

_COLUMNS = 8
_CHUNK_STROKES = 250


@torch.no_grad()
def paint_patches(painter: Renderer, actions: Tensor, side: int, seed: int, first_index: int = 0) -> Tensor:
    """Paint actions (m, A) on tiles of `side` px, without a margin: coverage (m, side, side), on the CPU.

    first_index: stroke index of the first action, which selects the random sample together with the seed.
    """
    patches = []
    for chunk in torch.split(torch.arange(len(actions)), _CHUNK_STROKES):
        place = Place(torch.zeros(len(chunk), 2), side, 0, chunk + first_index, (side, side), seed)
        patches.append(painter(actions[chunk].to(painter.scene.device), place).coverage[:, 0].cpu())
    return torch.cat(patches)


def paint_tiles_on_patches(
    paint: Callable[[Tensor, Tensor], Tensor], actions: Tensor, noise: Tensor, place: Place
) -> Tensor:
    """Paint patches (m, 1, S, S) with a network that paints tiles of a fixed size.

    Tiles are resized and padded with the margin. paint: actions (k, A) and noise (k, ...) -> coverage (k, 1, s, s).
    """
    patches = []
    for chunk, chunk_noise in zip(
        torch.split(actions, _CHUNK_STROKES), torch.split(noise, _CHUNK_STROKES), strict=True
    ):
        # For many strokes, intermediate results are not stored but computed again for the gradient.
        tiles = (
            checkpoint(paint, chunk, chunk_noise, use_reentrant=False)
            if len(actions) > _CHUNK_STROKES
            else paint(chunk, chunk_noise)
        )
        if tiles.shape[-1] != place.side:
            tiles = F.interpolate(tiles, size=place.side, mode="bilinear", antialias=True)
        patches.append(F.pad(tiles, [place.margin] * 4))
    return torch.cat(patches) if patches else actions.new_zeros(0, 1, place.patch_size, place.patch_size)


def gradient_energy(coverage: Tensor) -> Tensor:
    """Compute the mean squared difference of neighbouring pixels, a measure of how noisy strokes are."""
    return coverage.diff(dim=-1).square().mean() + coverage.diff(dim=-2).square().mean()


def comparison_image(real: Tensor, painted: Tensor) -> Tensor:
    """Return an image (3, h, w), dark on white, of real strokes (m, S, S) with each painted one below; rows of eight.

    m: a multiple of eight.
    """
    pairs = torch.cat([real, painted], dim=1)
    rows = [torch.cat(list(row), dim=1) for row in torch.split(pairs, _COLUMNS)]
    return 1 - torch.cat(rows)[None].expand(3, -1, -1)
