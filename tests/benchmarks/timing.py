"""Time functions."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

Functions = Sequence[Callable[[], object]]


def median_seconds(functions: Functions, repeats: int, synchronize: Callable[[], None] | None = None) -> list[float]:
    """Return the median time of each function in seconds. They run in turns, once for warm-up and `repeats` times.

    synchronize: waits until the device has finished.
    """
    return [statistics.median(function_seconds) for function_seconds in _seconds(functions, repeats, synchronize)]


def best_seconds(functions: Functions, repeats: int) -> list[float]:
    """Return the shortest time of each function in seconds; they run like those of `median_seconds`."""
    return [min(function_seconds) for function_seconds in _seconds(functions, repeats)]


def _seconds(functions: Functions, repeats: int, synchronize: Callable[[], None] | None = None) -> list[list[float]]:
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats + 1):
        for function, function_seconds in zip(functions, seconds, strict=True):
            if synchronize:
                synchronize()
            started = time.perf_counter()
            function()
            if synchronize:
                synchronize()
            function_seconds.append(time.perf_counter() - started)
    return [function_seconds[1:] for function_seconds in seconds]
