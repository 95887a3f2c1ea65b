"""Decorators with which the functions of the engine are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

# Without numba's reference counts, which would take several times as long as the arithmetic: these functions only use
# arrays that their callers hold, and allocate none. Divisions by zero give infinities, as in C.
_OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False, "error_model": "numpy"}

_compile: Any = njit


def compiled(function: F) -> F:
    """Compile a function that is called from other compiled functions, or from Python in tests."""
    return cast(F, _compile(**_OPTIONS)(function))


def inlined(function: F) -> F:
    """Compile a function into each compiled function that calls it."""
    return cast(F, _compile(**_OPTIONS, forceinline=True)(function))


def entry_point(function: F) -> F:
    """Compile a function that Python calls, and cache it on the disk where a folder for it can be written."""
    try:
        return cast(F, _compile(cache=True, nogil=True)(function))
    except RuntimeError:  # numba found no such folder: the function is compiled in each process
        return cast(F, _compile(nogil=True)(function))
