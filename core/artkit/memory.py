"""The memory of the machine or of a GPU, and a check whether a computation fits in it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from artkit.errors import UsageError

if TYPE_CHECKING:
    import torch

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Files with the memory limit of a container: cgroup v2 and v1."""


def total_memory() -> int:
    """Return the memory of the machine in bytes, or the container's limit if it is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in _CGROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # the file does not exist, or contains "max"
            total = min(total, int(file.read_text()))
    return total


def available_memory(device: torch.device | None = None) -> int:
    """Return the bytes that a computation may use: what is free of a CUDA GPU, or the memory of the machine.

    What torch holds of a GPU for this process without using it counts as free.
    """
    if device is None or device.type != "cuda":
        return total_memory()
    import torch  # slow; commands without tensors need the memory of the machine only

    free, _ = torch.cuda.mem_get_info(device)
    return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def check_memory(required: float, subject: str, hint: str, device: torch.device | None = None) -> None:
    """Raise UsageError if `required` bytes are more than 80 % of the memory of the machine, or of a GPU.

    subject: the beginning of the message, such as "a step would take".
    """
    available = available_memory(device)
    if required > 0.8 * available:
        on_gpu = device is not None and device.type == "cuda"
        has = (
            f"of {device} {available / 2**30:.1f} GB are free"
            if on_gpu
            else f"this machine has {available / 2**30:.0f} GB"
        )
        raise UsageError(f"{subject} about {required / 2**30:.0f} GB of memory; {has}", hint=hint)
