"""Images in separate files: each is read when it is first used, and cached at the scene's size."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from artkit import Scene, UsageError, memmap
from artkit.devices import to_device
from artkit.imaging.loading import Fit, load_target_image
from artkit.imaging.pixels import tensor_to_pixels
from artkit.imaging.target_image import TargetImage

MAX_IMAGES = 1 << 20
"""The largest number of images in a data set."""

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif"))
"""Extensions of image files."""


def find_images(folder: Path) -> list[Path]:
    """Return the image files in a folder and its subfolders, sorted by path. Hidden files and folders are skipped.

    Raises UsageError if there are more than `MAX_IMAGES`.
    """
    files = []
    for path in folder.rglob("*"):
        names = path.relative_to(folder).parts
        if path.suffix.lower() in SUFFIXES and not any(name.startswith(".") for name in names) and path.is_file():
            files.append(path)
            if len(files) > MAX_IMAGES:
                raise UsageError(
                    f"data: {folder} contains more than {MAX_IMAGES:,} images", hint="use a smaller folder"
                )
    return sorted(files, key=lambda path: path.relative_to(folder).parts)


def listing_sha256(files: Iterable[Path], base: Path) -> str:
    """Return the sha256 of the paths, relative to `base`, and lengths of files. It changes if files come or go."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(base).as_posix()} {file.stat().st_size}\n".encode())
    return digest.hexdigest()


class ImageFiles:
    """Images in files, fitted to the scene's size. Raises UsageError when it reads a file that is not an image.

    report_shape: whether the scene gets a note of what is cut off or stretched, once for all images, as of other
    assumptions.
    """

    def __init__(self, files: Sequence[Path], scene: Scene, fit: Fit = "cover", report_shape: bool = False) -> None:
        width, height = scene.size
        self._files, self._scene, self._fit, self._report_shape = files, scene, fit, report_shape
        self._kinds_of_notes: set[str] = set()
        self._background = scene.background.cpu()
        self._pixels = memmap.zeros((len(files), height, width, 3), "uint8", scene.folder)
        self._is_cached = np.zeros(len(files), bool)

    def __len__(self) -> int:
        return len(self._files)

    def load(self, indices: Tensor) -> Tensor:
        """Return the images with the given indices; see `Data.images`."""
        for index in indices.tolist():
            if not self._is_cached[index]:
                self._pixels[index] = tensor_to_pixels(self._read(self._files[index]).pixels[0])
                self._is_cached[index] = True
        pixels = torch.from_numpy(self._pixels[indices.numpy()])
        memmap.release()
        return to_device(pixels, self._scene.device).permute(0, 3, 1, 2).float() / 255

    def _read(self, file: Path) -> TargetImage:
        """Read an image. Of the notes on all images, the scene gets the first of each kind."""
        notes: list[str] = []
        scene = self._scene
        image = load_target_image(file, scene.size, self._fit, self._background, notes, self._report_shape)
        for note in notes:
            kind = re.sub(r"[\d.]+", "", note.removeprefix(str(file)))
            if kind not in self._kinds_of_notes:
                self._kinds_of_notes.add(kind)
                scene.notes.append(f"{note} (and perhaps likewise of other images)")
        return image
