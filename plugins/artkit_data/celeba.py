"""``type = "celeba"``: faces (Liu and others, 2015; paper §3)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from artkit import Data, InputPath, Scene, UsageError
from artkit_data import source, split
from artkit_data.files import Pictures, images_in, sum_of

_IMAGES = "img_align_celeba"
_PARTITION = "list_eval_partition.txt"
_NUMBERS = {"train": "0", "test": "2"}


class CelebA(Data):
    """202,599 faces, aligned, cut to the picture's shape.

    They come from `path` or from where an earlier run has fetched them to: a folder with img_align_celeba and
    list_eval_partition.txt in it, which says what is held back; without it a share is.
    """

    name = "celeba"

    class Config(split.Config):
        """Settings."""

        path: InputPath | None = None
        """The folder in which img_align_celeba lies."""
        download: bool = False
        """Fetch them into `path`, or into the user's cache, if they are not there yet; this needs the package gdown."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        place = config.path or source.store("celeba")
        if config.download:
            source.fetch("CelebA", place, {"split": "all"})
        base = _base(place)
        files = images_in(base / _IMAGES) if base else []
        if base is None or not files:
            raise UsageError(
                f"data: there are no faces in {place / _IMAGES}",
                hint="say download = true; or bring img_align_celeba.zip and list_eval_partition.txt from "
                "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, unpack the zip, and name their folder as data.path",
            )
        self.provenance["pictures"] = sum_of(files, base)
        if (base / _PARTITION).is_file():
            part_of = _partition(base / _PARTITION)
            mine = [file for file in files if part_of.get(file.name) == _NUMBERS[config.part]]
        else:
            mine = [files[number] for number in split.split(len(files), config).tolist()]
        if not mine:
            raise UsageError(f'data: {base / _PARTITION} puts none of the pictures there into the part "{config.part}"')
        self._count, self._pictures = len(mine), Pictures(mine, scene)

    def __len__(self) -> int:
        return self._count

    def images(self, numbers: Tensor) -> Tensor:
        return self._pictures(numbers)


def _base(place: Path) -> Path | None:
    """The folder that holds the pictures' one: itself, or that which torchvision makes in it."""
    return next((base for base in (place, place / "celeba") if (base / _IMAGES).is_dir()), None)


def _partition(file: Path) -> dict[str, str]:
    """Which part each picture belongs to, by its name. Raises UsageError if the file says something else."""
    try:
        lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {name: part for name, part in lines}  # noqa: C416
    except (OSError, ValueError) as error:
        raise UsageError(f"data: {file} cannot be read as names and parts: {error}") from None
