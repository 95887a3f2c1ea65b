"""Memory of the machine: how much there is, and whether a step fits."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from artkit.errors import UsageError


def total_memory() -> int:
    """Bytes of memory that the machine has, or that a container may take of it."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        with contextlib.suppress(OSError, ValueError):  # there is none, or it says "max"
            there = min(there, int(limit.read_text()))
    return there


def check_memory(need: float, what: str, hint: str) -> None:
    """Raises UsageError if the machine has no room for `need` bytes; `what` begins the message: "a step would take"."""
    if need > 0.8 * total_memory():
        raise UsageError(
            f"{what} about {need / 2**30:.0f} GB of memory; this machine has {total_memory() / 2**30:.0f} GB", hint=hint
        )
