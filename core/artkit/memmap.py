"""Arrays in memory-mapped files, for pictures and optimiser states that do not fit in memory."""

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
"""Arrays with more bytes are memory-mapped files."""

Array = npt.NDArray[Any]

_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def zeros(shape: tuple[int, ...], dtype: npt.DTypeLike, folder: Path | None = None) -> Array:
    """Return an array of zeros; one of more than `MEMMAP_THRESHOLD_BYTES` is mapped from an unnamed temporary file.

    folder: where the file is created; None means the temporary folder of the system. Raises ArtkitError if the disk is
    full.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= MEMMAP_THRESHOLD_BYTES:
        return np.zeros(shape, dtype)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # a full disk must raise an error now, not a signal later
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            mapping = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise cannot_write(Path(folder or tempfile.gettempdir()) / "temporary file", error) from None
    _maps.add(mapping)
    return np.frombuffer(mapping, dtype).reshape(shape)


def zeros_like(tensor: Tensor, folder: Path | None = None) -> Tensor:
    """Return zeros with the shape, dtype and device of a tensor; on the CPU they may be memory-mapped, see `zeros`."""
    if tensor.device.type != "cpu":
        return torch.zeros_like(tensor)
    return torch.from_numpy(zeros(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), folder))


def release() -> None:
    """Drop the pages of all memory-mapped arrays from memory; they are read from disk again on access."""
    for mapping in _maps:
        mapping.madvise(mmap.MADV_DONTNEED)
