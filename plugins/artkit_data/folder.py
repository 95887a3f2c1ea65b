"""``type = "folder"``: the images in a folder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from artkit import Data, InputPath, Scene, UsageError
from artkit.imaging.loading import Fit
from artkit_data.image_files import SUFFIXES, ImageFiles, find_images, listing_sha256
from artkit_data.split import SplitConfig, split_indices


class Folder(Data):
    """All images in a folder, fitted to the picture's shape.

    Subfolders are classes. A folder whose only subfolders are `train` and `test` has these two parts; otherwise a
    random share is held back.
    """

    name = "folder"

    class Config(SplitConfig):
        """Settings."""

        path: InputPath
        """The folder."""
        fit: Fit = "cover"
        """How the images are fitted to the picture's size: cropped, padded, or stretched."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        base = config.path
        if not base.is_dir():
            raise UsageError(f"data.path: {base} is a file, not a folder")
        subfolders = {path.name for path in base.iterdir() if path.is_dir() and not path.name.startswith(".")}
        has_parts = subfolders == {"train", "test"}
        if has_parts:
            base = base / config.part
        files = find_images(base)
        if not files:
            raise UsageError(
                f"data.path: there are no images in {base}",
                hint=f"image files end in {', '.join(sorted(SUFFIXES))}",
            )
        self.provenance["pictures"] = listing_sha256(files, base)
        class_names = [_class_name(file, base) for file in files]
        self.classes = tuple(sorted({name for name in class_names if name}))
        if self.classes and "" in class_names:
            stray = files[class_names.index("")]
            raise UsageError(
                f"data.path: {base} contains images beside subfolders of images, such as {stray.name}",
                hint="subfolders are classes: move all images into subfolders, or none",
            )
        if not has_parts:
            selected = split_indices(len(files), config).tolist()
            files, class_names = [files[index] for index in selected], [class_names[index] for index in selected]
        self._labels = torch.tensor([self.classes.index(name) for name in class_names]) if self.classes else None
        self._images = ImageFiles(files, scene, config.fit, report_shape=True)

    def __len__(self) -> int:
        return len(self._images)

    def images(self, indices: Tensor) -> Tensor:
        return self._images.load(indices)

    def labels(self, indices: Tensor) -> Tensor | None:
        return None if self._labels is None else self._labels[indices]


def _class_name(file: Path, base: Path) -> str:
    """Return the name of the subfolder of `base` that contains the file, or an empty string."""
    first, *rest = file.relative_to(base).parts
    return first if rest else ""
