"""The random numbers of libmypaint in Triton: see `artkit_mypaint.engine.random_numbers`. One generator a lane."""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from artkit_mypaint.triton_engine.arithmetic import replaced, select

_ULP = tl.constexpr(2.0**-52)
_NUMBERS = tl.constexpr(10)
_ROUNDS = tl.constexpr(30 + 6)  # of seeding: one for each bit of the seed, and six more


class Generator(NamedTuple):
    """lags: ten numbers of which the next are computed. block: ten numbers to return. position: of the next one."""

    lags: Any
    block: Any
    position: Any


@triton.jit
def _add_mod_1(a, b):
    total = a + b
    return tl.where(total >= 1.0, total - 1.0, total)


@triton.jit
def _next_lags(lags):
    block = lags
    for j in tl.static_range(10, 19):
        block = block + (_add_mod_1(block[j - 10], block[j - 7]),)
    following = ()
    for j in tl.static_range(7):
        following = following + (_add_mod_1(block[j + 9], block[j + 12]),)
    for j in tl.static_range(7, 10):
        following = following + (_add_mod_1(block[j + 9], following[j - 7]),)
    return following


@triton.jit
def seed_generator(seeds):
    """Start a stream of random numbers for each lane. seeds: int64, 30 bits."""
    bits = seeds.to(tl.int32)
    value = 2.0 * _ULP * (bits + 2).to(tl.float64)
    zero = value * 0.0
    u = ()
    for j in tl.static_range(10):
        u = u + (value + _ULP if j == 1 else value,)
        value = value + value
        value = tl.where(value >= 1.0, value - (1.0 - 2 * _ULP), value)
    for _ in tl.static_range(9):
        u = u + (zero,)
    rounds = bits * 0 + 6
    for _ in range(_ROUNDS):
        active = rounds > 0
        u = select(active, _round(u, (bits & 1) != 0), u)
        rounds = tl.where(active & (bits == 0), rounds - 1, rounds)
        bits = bits >> 1
    lags = ()
    for j in tl.static_range(10):
        lags = lags + (u[(j + 7) % 10],)
    for _ in range(_NUMBERS):  # libmypaint discards ten blocks
        lags = _next_lags(lags)
    return Generator(lags, lags, bits * 0 + _NUMBERS)


@triton.jit
def _round(u, odd):
    """Square a polynomial and, for lanes with an odd bit, multiply it by z, modulo z^10 + z^7 + 1."""
    zero = u[0] * 0.0
    for j in tl.static_range(9, 0, -1):
        u = replaced(u, 2 * j, u[j])
        u = replaced(u, 2 * j - 1, zero)
    for j in tl.static_range(18, 9, -1):
        u = replaced(u, j - 3, _add_mod_1(u[j - 3], u[j]))
        u = replaced(u, j - 10, _add_mod_1(u[j - 10], u[j]))
    shifted = (u[9],) + u[:9]
    shifted = replaced(shifted, 7, _add_mod_1(shifted[7], u[9]))
    return select(odd, shifted + (u[9],) + u[11:], u)


@triton.jit
def uniform(generator, mask):
    """Return the next number in [0, 1), double precision, and the generator; only lanes of the mask advance."""
    empty = mask & (generator.position >= _NUMBERS)
    if tl.max(empty.to(tl.int32)) > 0:
        lags = select(empty, _next_lags(generator.lags), generator.lags)
        block = select(empty, generator.lags, generator.block)
        generator = Generator(lags, block, tl.where(empty, 0, generator.position))
    value = generator.block[0]
    for j in tl.static_range(1, 10):
        value = tl.where(generator.position == j, generator.block[j], value)
    position = tl.where(mask, generator.position + 1, generator.position)
    return value, Generator(generator.lags, generator.block, position)


@triton.jit
def gaussian(generator, mask):
    """Return an approximately normal number, single precision, and the generator."""
    total = generator.block[0] * 0.0
    for _ in range(4):
        value, generator = uniform(generator, mask)
        total += value
    return (total * 1.73205080757 - 3.46410161514).to(tl.float32), generator
