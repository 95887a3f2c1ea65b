"""``type = "folder"``: the images in a folder of one's own."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from artkit import Data, InputPath, Scene, UsageError
from artkit_data import split
from artkit_data.files import SUFFIXES, Pictures, images_in, sum_of


class Folder(Data):
    """All images in a folder, cut to the picture's shape.

    If they lie in subfolders, those are the classes. A folder that holds nothing but `train` and `test` has these two
    parts; of any other a share is held back.
    """

    name = "folder"

    class Config(split.Config):
        """Settings."""

        path: InputPath
        """The folder."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        base = config.path
        if not base.is_dir():
            raise UsageError(f"data.path: {base} is a file, not a folder")
        named = {path.name for path in base.iterdir() if path.is_dir() and not path.name.startswith(".")}
        of_its_own = named == {"train", "test"}
        if of_its_own:
            base = base / config.part
        files = images_in(base)
        if not files:
            raise UsageError(
                f"data.path: there are no images in {base}",
                hint=f"what counts as one ends in {', '.join(sorted(SUFFIXES))}",
            )
        self.provenance["pictures"] = sum_of(files, base)
        groups = [_group(file, base) for file in files]
        self.classes = tuple(sorted({group for group in groups if group}))
        if self.classes and "" in groups:
            stray = files[groups.index("")]
            raise UsageError(
                f"data.path: {base} holds images beside subfolders of images, such as {stray.name}",
                hint="subfolders are classes: sort all images into them, or none",
            )
        if not of_its_own:
            mine = split.split(len(files), config).tolist()
            files, groups = [files[number] for number in mine], [groups[number] for number in mine]
        self._labels = torch.tensor([self.classes.index(group) for group in groups]) if self.classes else None
        self._pictures = Pictures(files, scene)
        self._count = len(files)

    def __len__(self) -> int:
        return self._count

    def images(self, numbers: Tensor) -> Tensor:
        return self._pictures(numbers)

    def labels(self, numbers: Tensor) -> Tensor | None:
        return None if self._labels is None else self._labels[numbers]


def _group(file: Path, base: Path) -> str:
    """The subfolder that a file lies in, or nothing."""
    first, *more = file.relative_to(base).parts
    return first if more else ""
