"""Arrays that grow with the picture: in memory while they are small, otherwise in a file without a name.

Whatever ends the process, nothing of such a file stays behind.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artkit.files import cannot_write

LARGE = 64 << 20
"""Bytes from which on an array lies on the disk."""

Array = npt.NDArray[Any]


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
    return np.frombuffer(memory, dtype).reshape(shape)


def release(array: Array) -> None:
    """Take an array that lies on the disk out of memory; it is read again where it is needed."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)
