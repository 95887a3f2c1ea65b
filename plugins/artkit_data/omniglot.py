"""``type = "omniglot"``: characters of many alphabets, each drawn by twenty people (Lake et al., 2015)."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from artkit import InputPath, Scene, UsageError
from artkit_data.character_data import CharacterConfig, CharacterData
from artkit_data.download import cache_folder, download
from artkit_data.idx import LabelledImages
from artkit_data.image_files import MAX_IMAGES
from artkit_data.split import split_indices

_IMAGE_PATH = re.compile(r"(?:^|/)([^/]+/character\d+)/[^/.][^/]*\.png$")
"""Path of an image; the group is its class, such as "Greek/character03"."""

_MAX_FILE_BYTES = 1 << 20
"""Maximum size of an image file; the originals have some hundred bytes."""

_SIDE = 105


class Omniglot(CharacterData):
    """Characters, black on white. The characters of the part `test` do not occur in `train`.

    They are read from `path`, or from the cache if an earlier run downloaded them: a zip file of Omniglot's images, or
    a folder of alphabets. Downloads of torchvision contain both parts; otherwise a random share of the characters is
    held back.
    """

    name = "omniglot"

    class Config(CharacterConfig):
        """Settings."""

        path: InputPath | None = None
        """A zip file or a folder of alphabets, such as images_background_small1.zip."""
        download: bool = False
        """Download all 32,460 images to `path`, or to the user's cache, if they are missing."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        source = config.path or cache_folder("omniglot")
        part_folders = [source / "omniglot-py" / f"images_{part}" for part in ("background", "evaluation")]
        if config.download:
            download("Omniglot", source, {"background": True}, {"background": False})
        has_parts = all(folder.is_dir() for folder in part_folders)
        if has_parts:
            source = part_folders[config.part == "test"]
        files = _list_zip(source) if source.is_file() else _list_folder(source)
        classes = sorted({class_name for class_name, _ in files})
        if not classes:
            raise UsageError(
                f"data: there are no images of Omniglot in {source}",
                hint="set data.download = true; or download images_background.zip from "
                "https://github.com/brendenlake/omniglot and set data.path to it",
            )
        if not has_parts:
            classes = [classes[index] for index in split_indices(len(classes), config, "characters").tolist()]
        self.classes = tuple(classes)
        super().__init__(config, scene, *self._read(source, files))

    def _read(self, source: Path, files: list[tuple[str, str]]) -> LabelledImages:
        """Return the images of `self.classes` and their labels."""
        label_of = {class_name: label for label, class_name in enumerate(self.classes)}
        selected = [(label_of[class_name], name) for class_name, name in files if class_name in label_of]
        pixels = np.empty((len(selected), _SIDE, _SIDE), np.uint8)
        for row, (name, content) in zip(pixels, _read_files(source, [name for _, name in selected]), strict=True):
            try:
                with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
                    if image.size != (_SIDE, _SIDE):
                        raise ValueError(f"it has {image.width} x {image.height} px, not {_SIDE} x {_SIDE}")
                    row[:] = 255 - np.asarray(image.convert("L"))
            except Exception as error:  # Pillow's decoders raise almost anything on damaged files
                raise UsageError(f"data: {name} in {source} is not an image of Omniglot: {error}") from None
        return pixels, np.array([label for label, _ in selected], np.int64)


_ZIP_ERRORS = (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)
"""What `zipfile` raises for damaged files; a NotImplementedError, for a later version of the format, is one of them."""


def _list_zip(file: Path) -> list[tuple[str, str]]:
    """Return the class and the name of each image in a zip file. Raises UsageError if it cannot be read."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if "__MACOSX" not in member.filename]
    except _ZIP_ERRORS as error:
        raise UsageError(f"data.path: {file} is not a valid zip file: {error}") from None
    return _select_images(file, (member.filename for member in members if member.file_size <= _MAX_FILE_BYTES))


def _list_folder(folder: Path) -> list[tuple[str, str]]:
    return _select_images(folder, (path.relative_to(folder).as_posix() for path in folder.rglob("*.png")))


def _select_images(source: Path, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the class and the name of each image among the names of files, sorted."""
    images = sorted((match[1], name) for name in names if (match := _IMAGE_PATH.search(name)))
    if len(images) > MAX_IMAGES:
        raise UsageError(f"data.path: {source} contains more than {MAX_IMAGES:,} images")
    return images


def _read_files(source: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of files in a folder or a zip file."""
    if source.is_dir():
        for name in names:
            with (source / name).open("rb") as stream:
                yield name, stream.read(_MAX_FILE_BYTES)
        return
    with zipfile.ZipFile(source) as archive:
        for name in names:
            try:
                yield name, archive.read(name)
            except _ZIP_ERRORS as error:
                raise UsageError(f"data: {name} in {source} is damaged: {error}") from None
