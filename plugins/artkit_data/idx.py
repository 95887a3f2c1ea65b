"""Data sets of characters as MNIST's authors pack them: arrays with a short head, IDX, often in gzip."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from artkit import UsageError
from artkit_data import source, split
from artkit_data.ink import Bytes

MOST = 1 << 30
"""The most bytes of an array."""

_PARTS = {"train": "train", "test": "t10k"}

Labelled = tuple[Bytes, npt.NDArray[np.int64]]
"""Pictures (n, h, w) and their labels (n,)."""


def read(file: Path) -> Bytes:
    """The array in a file, which may be in gzip. Raises UsageError if it holds none of bytes, or is damaged."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            zero, kind, axes = int.from_bytes(stream.read(2)), *stream.read(2)
            if zero or kind != 8 or not 1 <= axes <= 3:
                raise ValueError("it has no head of IDX")
            shape = [int.from_bytes(stream.read(4)) for _ in range(axes)]
            size = math.prod(shape)
            if not 0 < size <= MOST:
                raise ValueError(f"its head says {' x '.join(map(str, shape))}")
            pixels = stream.read(size + 1)
            if len(pixels) != size:
                raise ValueError(f"it holds {'more' if len(pixels) > size else 'less'} than its head says")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UsageError(f"data: {file} is no array of IDX, or damaged: {error}") from None
    return np.frombuffer(bytearray(pixels), np.uint8).reshape(shape)


def find(folder: Path, dataset: str) -> dict[str, tuple[Path, Path]]:
    """Files of images and of labels, by the part they are: in a folder, or where torchvision puts them in it."""
    found = {}
    for place in (folder, folder / "raw", folder / dataset / "raw"):
        for part, prefix in _PARTS.items():
            for ending in ("", ".gz"):
                images, labels = (place / f"{prefix}-{what}-ubyte{ending}" for what in ("images-idx3", "labels-idx1"))
                if part not in found and images.is_file() and labels.is_file():
                    found[part] = images, labels
    return found


def load(folder: Path, dataset: str, config: split.Config) -> Labelled | None:
    """The part that a Config asks for of what a folder holds, or None if it holds nothing.

    A folder that has only one of the two parts is divided.
    """
    found = find(folder, dataset)
    if not found:
        return None
    images, labels = (read(file) for file in found.get(config.part) or next(iter(found.values())))
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise UsageError(f"data: {folder} holds {len(images)} pictures and {len(labels)} labels, which do not fit")
    return (images, labels.astype(np.int64)) if len(found) == 2 else divided(images, labels.astype(np.int64), config)


def divided(images: Bytes, labels: npt.NDArray[np.int64], config: split.Config) -> Labelled:
    """The part that a Config asks for of pictures that come as one piece."""
    mine = split.split(len(images), config).numpy()
    return images[mine], labels[mine]


def fetch(folder: Path, dataset: str) -> None:
    """Fetch both parts of a data set of torchvision's. Raises ArtkitError if they cannot be had."""
    source.fetch(dataset, folder, {"train": True}, {"train": False})
