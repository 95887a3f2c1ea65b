"""Arrays that grow with the picture: in memory while they are small, otherwise in a file without a name.

Whatever ends the process, nothing of such a file stays behind.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from artkit.errors import UsageError
from artkit.files import cannot_write

LARGE = 64 << 20
"""Bytes from which on an array lies on the disk."""

Array = npt.NDArray[Any]

_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def memory() -> int:
    """Bytes of memory that the machine has, or that a container may take of it."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        with contextlib.suppress(OSError, ValueError):  # there is none, or it says "max"
            there = min(there, int(limit.read_text()))
    return there


def check_memory(need: float, what: str, remedy: str) -> None:
    """Raises UsageError if the machine has no room for `need` bytes; `what` begins the message: "a step would take"."""
    if need > 0.8 * memory():
        raise UsageError(
            f"{what} about {need / 2**30:.0f} GB of memory; this machine has {memory() / 2**30:.0f} GB", remedy=remedy
        )


def zeros(shape: tuple[int, ...], dtype: npt.DTypeLike, folder: Path | None = None) -> Array:
    """Zeros, on the disk of `folder` if they take more than `LARGE` bytes; a folder of the system's unless told.

    Raises ArtkitError where the disk has no room for them.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= LARGE:
        return np.zeros(shape, dtype)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # a full disk must be an error now rather than a signal later
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            memory = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise cannot_write(Path(folder or tempfile.gettempdir()) / "scratch file", error) from None
    _maps.add(memory)
    return np.frombuffer(memory, dtype).reshape(shape)


def tensor(like: Tensor, folder: Path | None = None) -> Tensor:
    """Zeros of the shape, type and device of a tensor; see `zeros`. Only the memory of CPUs is spared."""
    if like.device.type != "cpu":
        return torch.zeros_like(like)
    return torch.from_numpy(zeros(tuple(like.shape), str(like.dtype).removeprefix("torch."), folder))


def release() -> None:
    """Take all arrays that lie on the disk out of memory; they are read again where they are needed."""
    for memory in _maps:
        memory.madvise(mmap.MADV_DONTNEED)
