"""artkit paints: brushstrokes optimised so that a neural network sees in them what was asked for."""

import os
from typing import TYPE_CHECKING, Any

# Threads of a step wait for each other many times a second. Where other programs use the same cores, waiting busily for
# long makes a step take ten times as long; so they soon sleep. This must be told before torch is imported, and whoever
# has told otherwise is heard.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# Large tensors come and go in every step; in huge pages they cost a fraction of the page faults.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

__version__ = "0.1.0"

from artkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from artkit.library import paint, scene

__all__ = ["__version__", "hookimpl", "paint", "scene"]


def __getattr__(name: str) -> Any:
    """`paint` and `scene` need torch, so they are imported when they are first asked for."""
    if name in ("paint", "scene"):
        from artkit import library

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
