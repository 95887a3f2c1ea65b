"""Arrays in memory-mapped files: pictures and optimiser states that are larger than the memory."""

from __future__ import annotations

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

from artkit.files import cannot_write

MEMMAP_THRESHOLD_BYTES = 64 << 20
"""Bytes from which on an array lies on the disk."""


Array = npt.NDArray[Any]


_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def zeros(shape: tuple[int, ...], dtype: npt.DTypeLike, folder: Path | None = None) -> Array:
    """Zeros, on the disk of `folder` if they take more than `MEMMAP_THRESHOLD_BYTES` bytes; a folder of the system's unless told.

    Raises ArtkitError where the disk has no room for them.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= MEMMAP_THRESHOLD_BYTES:
        return np.zeros(shape, dtype)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # a full disk must be an error now rather than a signal later
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            total_memory = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise cannot_write(Path(folder or tempfile.gettempdir()) / "scratch file", error) from None
    _maps.add(total_memory)
    return np.frombuffer(total_memory, dtype).reshape(shape)


def zeros_like(like: Tensor, folder: Path | None = None) -> Tensor:
    """Zeros of the shape, type and device of a tensor; see `zeros`. Only the memory of CPUs is spared."""
    if like.device.type != "cpu":
        return torch.zeros_like(like)
    return torch.from_numpy(zeros(tuple(like.shape), str(like.dtype).removeprefix("torch."), folder))


def release() -> None:
    """Take all arrays that lie on the disk out of memory; they are read again where they are needed."""
    for total_memory in _maps:
        total_memory.madvise(mmap.MADV_DONTNEED)
