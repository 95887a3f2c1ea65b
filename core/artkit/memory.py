"""The memory of the machine or of a GPU, and a check whether a computation fits in it."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from artkit.errors import UsageError

if TYPE_CHECKING:
    import torch

_MIN_BYTES = 300 << 20
"""Below this, in addition to the packages, torch and libvips crash the process instead of raising an error."""

_CGROUPS = Path("/sys/fs/cgroup")
_OLD_CGROUP_LIMIT = Path("memory/memory.limit_in_bytes")  # cgroup v1


def total_memory() -> int:
    """Return the memory of the machine in bytes or, if it is lower, what this process or its container may use.

    Limits are those of control groups, as of containers, systemd and Slurm, and that of the address space, as of
    `ulimit -v`, less what is mapped already.
    """
    total = _machine_memory()
    for file in (*_cgroup_limits(), _CGROUPS / _OLD_CGROUP_LIMIT):
        with contextlib.suppress(OSError, ValueError):  # the file does not exist, or contains "max"
            total = min(total, int(file.read_text()))
    return min(total, _address_space_left())


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cgroup_limits() -> list[Path]:
    """Return the files with the limits of the control group of this process and those above it, cgroup v2."""
    group = Path("/")
    with contextlib.suppress(OSError, ValueError):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        group = Path("/", *(Path(line[3:].lstrip("/")) for line in lines if line.startswith("0::")))
    return [_CGROUPS / path.relative_to("/") / "memory.max" for path in (group, *group.parents)]


def _address_space_left() -> int:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    mapped = 0
    with contextlib.suppress(OSError):  # no Linux
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return max(0, limit - mapped)


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
            else f"this process may use {_gigabytes(available)}"
            if available < _machine_memory()
            else f"this machine has {_gigabytes(available)}"
        )
        raise UsageError(f"{subject} about {_gigabytes(required)} of memory; {has}", hint=hint)


def check_minimum() -> None:
    """Raise UsageError if there is less memory than painting takes at least."""
    check_memory(_MIN_BYTES, "artkit takes at least", hint="raise the limit, such as `ulimit -v`")


def _gigabytes(count: float) -> str:
    return f"{count / 2**30:.{0 if count >= 2**33 else 1}f} GB"
