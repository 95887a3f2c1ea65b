"""A seed for the random numbers of each stroke, from the stroke's index and the seed of the picture."""

from __future__ import annotations

from torch import Tensor

SEED_BITS = 30
"""Seeds are in [0, 2**SEED_BITS)."""

_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_GOLDEN = 0x9E3779B97F4A7C15


def stroke_seeds(indices: Tensor, seed: int) -> Tensor:
    """Compute a 30-bit seed of each stroke, on any device, as splitmix64 does.

    indices: int64 tensor of any shape, indices of strokes in the picture. seed: of the picture -> int64, same shape.
    """
    z = indices + _signed(seed * _GOLDEN)
    for shift, factor in _MIX:
        z = (z ^ _shift_right(z, shift)) * _signed(factor)
    return (z ^ _shift_right(z, 31)) & ((1 << SEED_BITS) - 1)


def _signed(value: int) -> int:
    """The signed 64-bit integer with the bits of a value modulo 2**64."""
    value %= 1 << 64
    return value - (1 << 64) if value >> 63 else value


def _shift_right(z: Tensor, bits: int) -> Tensor:
    """Shift unsigned 64-bit integers, which torch has only as signed ones."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)
