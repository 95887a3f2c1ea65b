"""The memory of the machine, and a check whether a computation fits in it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from artkit.errors import UsageError

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Files with the memory limit of a container: cgroup v2 and v1."""


def total_memory() -> int:
    """Return the memory of the machine in bytes, or the container's limit if it is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in _CGROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # the file does not exist, or contains "max"
            total = min(total, int(file.read_text()))
    return total


def check_memory(required: float, subject: str, hint: str) -> None:
    """Raise UsageError if `required` bytes are more than 80 % of the memory.

    subject: the beginning of the message, such as "a step would take".
    """
    if required > 0.8 * total_memory():
        raise UsageError(
            f"{subject} about {required / 2**30:.0f} GB of memory; this machine has {total_memory() / 2**30:.0f} GB",
            hint=hint,
        )
