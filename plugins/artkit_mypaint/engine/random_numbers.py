"""The random numbers of libmypaint: Knuth's lagged Fibonacci generator (lags 10 and 7), compiled with numba.

The stream depends on a 30-bit seed alone. The generator computes blocks of 19 numbers and uses the first ten.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from artkit_mypaint.engine.compilation import compiled, inlined

STATE_SIZE = 30
"""float64 values of a generator: ten lags, a block of 19 numbers, and the position in the block."""

_BLOCK = 10  # where the block begins in the state
_POSITION = 29
_USED = 10  # numbers of a block that are used
_ULP = 2.0**-52
_WARM_UP_BLOCKS = 10

_Array = npt.NDArray[np.float64]


@inlined
def _add_mod_1(a: float, b: float) -> float:
    total = a + b
    return total - 1.0 if total >= 1.0 else total


@inlined
def _next_block(state: _Array, block: _Array) -> None:
    for j in range(10):
        block[j] = state[j]
    for j in range(10, 19):
        block[j] = _add_mod_1(block[j - 10], block[j - 7])
    for j in range(7):
        state[j] = _add_mod_1(block[j + 9], block[j + 12])
    for j in range(7, 10):
        state[j] = _add_mod_1(block[j + 9], state[j - 7])


@compiled
def seed_generator(state: _Array, seed: int) -> None:
    """Start a generator's stream. state: (STATE_SIZE,), overwritten. seed: 30 bits."""
    u = state[_BLOCK : _BLOCK + 19]
    bits = seed & 0x3FFFFFFF
    value = 2.0 * _ULP * (bits + 2)
    for j in range(10):
        u[j] = value
        value += value
        if value >= 1.0:
            value -= 1.0 - 2 * _ULP
    u[1] += _ULP
    rounds = 6
    while rounds:  # powers of z in the ring of polynomials that Knuth describes (TAOCP 3.6)
        for j in range(9, 0, -1):
            u[j + j] = u[j]
            u[j + j - 1] = 0.0
        for j in range(18, 9, -1):
            u[j - 3] = _add_mod_1(u[j - 3], u[j])
            u[j - 10] = _add_mod_1(u[j - 10], u[j])
        if bits & 1:
            for j in range(10, 0, -1):
                u[j] = u[j - 1]
            u[0] = u[10]
            u[7] = _add_mod_1(u[7], u[10])
        if bits:
            bits >>= 1
        else:
            rounds -= 1
    for j in range(10):
        state[(j + 3) % 10] = u[j]
    for _ in range(_WARM_UP_BLOCKS):
        _next_block(state, u)
    state[_POSITION] = _USED


@inlined
def uniform(state: _Array) -> float:
    """Return the next number of a stream, in [0, 1)."""
    position = int(state[_POSITION])
    if position >= _USED:
        _next_block(state, state[_BLOCK : _BLOCK + 19])
        position = 0
    state[_POSITION] = position + 1
    return float(state[_BLOCK + position])


@inlined
def gaussian(state: _Array) -> np.float32:
    """Return libmypaint's approximation of a standard normal number: a scaled sum of four uniform ones."""
    total = uniform(state) + uniform(state) + uniform(state) + uniform(state)
    return np.float32(total * 1.73205080757 - 3.46410161514)
