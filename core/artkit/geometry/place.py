"""TODO: artkit.geometry.place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Place:
    """Where the tiles of m strokes lie in a picture, and with how many px they are drawn.

    origin (m, 2): upper left of each tile, px of the (enlarged) picture, whole numbers. side: of every tile, px.
    margin: px around a tile that are drawn too, for paint that runs over its edge. number (m,) int64: the place of each
    stroke in the order of painting, which chooses its randomness together with `seed`. size: the picture's width and
    height in px. scale: px a px of the recipe.
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
        """Side in px of what a renderer draws of a tile: the tile and its margin."""
        return self.side + 2 * self.margin

    def subset(self, which: slice) -> Place:
        """The place of some of the strokes."""
        return replace(self, origin=self.origin[which], stroke_index=self.stroke_index[which])

    def random(self, count: int) -> Tensor:
        """For each stroke `count` numbers, even in [0, 1): (m, count) float32. They follow from the seed and the
        stroke's number alone, so that a stroke looks the same in any window, at any step, in any process.
        """
        which = torch.arange(count, device=self.stroke_index.device) * 0x85EBCA6B
        mixed = hash_uint32(hash_uint32(self.stroke_index + 0x9E3779B9) + self.seed % 2**32)[:, None]
        return (hash_uint32(mixed + (self.seed >> 32) + which) >> 8).float() / 2**24


def hash_uint32(h: Tensor) -> Tensor:
    """32-bit integer hash (Wellons' lowbias32) of int64 numbers, kept in int64 for lack of unsigned integers."""
    h = h & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x21F0AAAD) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 0x735A2D97) & 0xFFFFFFFF
    return h ^ (h >> 15)
