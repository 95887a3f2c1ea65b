"""Pictures in files of their own: read when they are first asked for, and kept at the size they are seen in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from artkit import Scene, UsageError, memmap
from artkit.imaging.loading import load_target_image
from artkit.imaging.pixels import tensor_to_pixels

MOST = 1 << 20
"""The most pictures of a data set."""

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"))
"""Files with these extensions are taken for pictures."""


def images_in(folder: Path) -> list[Path]:
    """The images in a folder and its subfolders, in order of their paths, but for hidden ones.

    Raises UsageError if there are more than `MOST`.
    """
    found = []
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).parts
        if path.suffix.lower() in SUFFIXES and not any(name.startswith(".") for name in inside) and path.is_file():
            found.append(path)
            if len(found) > MOST:
                raise UsageError(f"data: {folder} holds more than {MOST:,} images", hint="name a smaller folder")
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def sum_of(files: Iterable[Path], base: Path) -> str:
    """A sha256 of the names and lengths of files, which tells whether any came or went."""
    told = hashlib.sha256()
    for file in files:
        told.update(f"{file.relative_to(base).as_posix()} {file.stat().st_size}\n".encode())
    return told.hexdigest()


class Pictures:
    """The pictures of some files, cut to the scene's size. Raises UsageError when it meets a file that is no image."""

    def __init__(self, files: Sequence[Path], scene: Scene) -> None:
        width, height = scene.size
        self._files, self._scene = files, scene
        self._pixels = memmap.zeros((len(files), height, width, 3), "uint8", scene.folder)
        self._read = np.zeros(len(files), bool)

    def __call__(self, numbers: Tensor) -> Tensor:
        """See `Data.images`."""
        for number in numbers.tolist():
            if not self._read[number]:
                image = load_target_image(self._files[number], self._scene.size, "cover", self._scene.background)
                self._pixels[number] = tensor_to_pixels(image.pixels[0])
                self._read[number] = True
        picked = torch.from_numpy(self._pixels[numbers.numpy()])
        memmap.release()
        return picked.to(self._scene.device).permute(0, 3, 1, 2).float() / 255
