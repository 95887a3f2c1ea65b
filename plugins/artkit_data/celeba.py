"""``type = "celeba"``: photos of faces (Liu et al., 2015; paper §3)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from artkit import Data, InputPath, Scene, UsageError
from artkit_data.download import cache_folder, download
from artkit_data.image_files import ImageFiles, find_images, listing_sha256
from artkit_data.split import SplitConfig, split_indices

_IMAGES = "img_align_celeba"
_PARTITION = "list_eval_partition.txt"
_PARTITION_NUMBERS = {"train": "0", "test": "2"}


class CelebA(Data):
    """202,599 aligned faces, cropped to the picture's shape.

    They are read from `path`, or from the cache if an earlier run downloaded them: a folder with img_align_celeba and
    list_eval_partition.txt. Without the second file, which assigns the images to parts, a random share is held back.
    """

    name = "celeba"

    class Config(SplitConfig):
        """Settings."""

        path: InputPath | None = None
        """The folder that contains img_align_celeba."""
        download: bool = False
        """Download the images to `path`, or to the user's cache, if they are missing. Requires the package gdown."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        folder = config.path or cache_folder("celeba")
        if config.download:
            download("CelebA", folder, {"split": "all"})
        base = _find_base(folder)
        files = find_images(base / _IMAGES) if base else []
        if base is None or not files:
            raise UsageError(
                f"data: there are no images of faces in {folder / _IMAGES}",
                hint="set data.download = true; or download img_align_celeba.zip and list_eval_partition.txt from "
                "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, unpack the zip, and set data.path to their folder",
            )
        self.provenance["pictures"] = listing_sha256(files, base)
        partition = base / _PARTITION
        if partition.is_file():
            numbers = _read_partition(partition)
            selected = [file for file in files if numbers.get(file.name) == _PARTITION_NUMBERS[config.part]]
        else:
            selected = [files[index] for index in split_indices(len(files), config).tolist()]
        if not selected:
            raise UsageError(f'data: {partition} assigns none of the images to the part "{config.part}"')
        self._images = ImageFiles(selected, scene)

    def __len__(self) -> int:
        return len(self._images)

    def images(self, indices: Tensor) -> Tensor:
        return self._images.load(indices)


def _find_base(folder: Path) -> Path | None:
    """Return the folder that contains the folder of images: `folder`, or the subfolder that torchvision creates."""
    return next((base for base in (folder, folder / "celeba") if (base / _IMAGES).is_dir()), None)


def _read_partition(file: Path) -> dict[str, str]:
    """Return the partition number of each image, by its file name. Raises UsageError if the file is not valid."""
    try:
        lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {name: number for name, number in lines}  # noqa: C416
    except (OSError, ValueError) as error:
        raise UsageError(f"data: {file} is not a list of image names and parts: {error}") from None
