"""IDX files, the format of MNIST: an array of bytes after a short header, often compressed by gzip."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from artkit import UsageError
from artkit_data.character_data import ByteArray
from artkit_data.split import SplitConfig, split_indices

MAX_ARRAY_BYTES = 1 << 30

_FILE_PREFIXES = {"train": "train", "test": "t10k"}

LabelledImages = tuple[ByteArray, npt.NDArray[np.int64]]
"""Images (n, h, w) and their labels (n,)."""


def read_idx(file: Path) -> ByteArray:
    """Return the array in an IDX file, compressed or not.

    Raises UsageError if the file is damaged or is not an array of bytes with one to three axes.
    """
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            zero, dtype, axes = int.from_bytes(stream.read(2)), *stream.read(2)
            if zero or dtype != 8 or not 1 <= axes <= 3:
                raise ValueError("its header is not that of an IDX array of bytes")
            shape = [int.from_bytes(stream.read(4)) for _ in range(axes)]
            size = math.prod(shape)
            if not 0 < size <= MAX_ARRAY_BYTES:
                raise ValueError(f"its header gives the shape {' x '.join(map(str, shape))}")
            pixels = stream.read(size + 1)
            if len(pixels) != size:
                raise ValueError(f"it contains {'more' if len(pixels) > size else 'less'} data than its header says")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UsageError(f"data: {file} is not a valid IDX file: {error}") from None
    return np.frombuffer(bytearray(pixels), np.uint8).reshape(shape)


def load_idx_folder(folder: Path, dataset: str, config: SplitConfig) -> LabelledImages | None:
    """Return the images of `config.part` from a folder of IDX files, or None if the folder contains none.

    A folder with only one of the two parts is split at random. Raises UsageError if images and labels do not match.
    """
    files = _find_idx_files(folder, dataset)
    if not files:
        return None
    images, labels = (read_idx(file) for file in files.get(config.part) or next(iter(files.values())))
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise UsageError(f"data: {folder} contains {len(images)} images but {len(labels)} labels")
    labelled = images, labels.astype(np.int64)
    return labelled if len(files) == 2 else select_part(*labelled, config)


def select_part(images: ByteArray, labels: npt.NDArray[np.int64], config: SplitConfig) -> LabelledImages:
    """Return the images of `config.part`, by a random split."""
    selected = split_indices(len(images), config).numpy()
    return images[selected], labels[selected]


def _find_idx_files(folder: Path, dataset: str) -> dict[str, tuple[Path, Path]]:
    """Return the files of images and of labels of each part in a folder, or in the subfolders torchvision creates."""
    files = {}
    for subfolder in (folder, folder / "raw", folder / dataset / "raw"):
        for part, prefix in _FILE_PREFIXES.items():
            for suffix in ("", ".gz"):
                images = subfolder / f"{prefix}-images-idx3-ubyte{suffix}"
                labels = subfolder / f"{prefix}-labels-idx1-ubyte{suffix}"
                if part not in files and images.is_file() and labels.is_file():
                    files[part] = images, labels
    return files
