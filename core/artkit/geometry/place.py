"""The places at which strokes are rendered, and random numbers for each stroke."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Place:
    """The tiles of m strokes in a picture, and the size of the patches on which they are rendered.

    origin (m, 2): upper left of each tile in px of the scaled picture, whole numbers. side: of every tile, px. margin:
    px around a tile that are rendered too, for paint that extends beyond the tile. stroke_index (m,) int64: index of
    each stroke in painting order; together with `seed` it determines the stroke's random numbers. size: width and
    height of the scaled picture in px. scale: px per px of the recipe.

    Examples:
        >>> import artkit, torch
        >>> place = artkit.Place(torch.zeros(2, 2), 32, 8, torch.arange(2), (32, 32), seed=0)
        >>> place.patch_size
        48
        >>> place.random(5).shape
        torch.Size([2, 5])
    """

    origin: Tensor
    side: int
    margin: int
    stroke_index: Tensor
    size: tuple[int, int]
    seed: int
    scale: float = 1.0

    @property
    def patch_size(self) -> int:
        """Side of a patch (a tile and its margin) in px."""
        return self.side + 2 * self.margin

    def subset(self, which: slice) -> Place:
        """Return the place of a slice of the strokes."""
        return replace(self, origin=self.origin[which], stroke_index=self.stroke_index[which])

    def random(self, count: int) -> Tensor:
        """Return `count` uniform random numbers in [0, 1) for each stroke: (m, count) float32.

        They depend only on the seed and the stroke's index, so a stroke looks the same in any window, at any step and
        in any process.
        """
        which = torch.arange(count, device=self.stroke_index.device) * 0x85EBCA6B
        mixed = hash_uint32(hash_uint32(self.stroke_index + 0x9E3779B9) + self.seed % 2**32)[:, None]
        return (hash_uint32(mixed + (self.seed >> 32) + which) >> 8).float() / 2**24


def hash_uint32(values: Tensor) -> Tensor:
    """Return a 32-bit hash (lowbias32 by Chris Wellons) of int64 values, as int64 in [0, 2**32)."""
    h = values & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x21F0AAAD) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 0x735A2D97) & 0xFFFFFFFF
    return h ^ (h >> 15)
