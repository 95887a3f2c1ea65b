"""``type = "omniglot"``: characters of many alphabets, each drawn by twenty people (Lake and others, 2015)."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from artkit import InputPath, Scene, UsageError
from artkit_data import ink, source, split
from artkit_data.files import MOST
from artkit_data.idx import Labelled

_PLACE = re.compile(r"(?:^|/)([^/]+/character\d+)/[^/.][^/]*\.png$")
_BYTES = 1 << 20  # of a picture; the originals have some hundred
_SIDE = 105


class Omniglot(ink.Ink):
    """Characters, black on white, of which `test` has some that `train` never shows.

    They come from `path` or from where an earlier run has fetched them to: a zip of Omniglot's images, or a folder with
    alphabets in it. A folder that torchvision has fetched them into has a part of its own for `test`.
    """

    name = "omniglot"

    class Config(ink.Config):
        """Settings."""

        path: InputPath | None = None
        """A zip or a folder of alphabets, such as images_background_small1.zip."""
        download: bool = False
        """Fetch all 32,460 into `path`, or into the user's cache, if they are not there yet."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        place = config.path or source.store("omniglot")
        fetched = [place / "omniglot-py" / f"images_{part}" for part in ("background", "evaluation")]
        if config.download:
            source.fetch("Omniglot", place, {"background": True}, {"background": False})
        whole = all(folder.is_dir() for folder in fetched)
        place = fetched[config.part == "test"] if whole else place
        files = _zipped(place) if place.is_file() else _lying(place)
        characters = sorted({character for character, _ in files})
        if not characters:
            raise UsageError(
                f"data: there are no characters of Omniglot in {place}",
                hint="say download = true; or bring images_background.zip from "
                "https://github.com/brendenlake/omniglot and name it as data.path",
            )
        mine = range(len(characters)) if whole else split.split(len(characters), config, "characters").tolist()
        self.classes = tuple(characters[number] for number in mine)
        super().__init__(config, scene, *self._read(place, files))

    def _read(self, place: Path, files: list[tuple[str, str]]) -> Labelled:
        numbers = {character: number for number, character in enumerate(self.classes)}
        chosen = [(numbers[character], name) for character, name in files if character in numbers]
        pixels = np.empty((len(chosen), _SIDE, _SIDE), np.uint8)
        for row, (name, content) in zip(pixels, _contents(place, [name for _, name in chosen]), strict=True):
            try:
                with Image.open(io.BytesIO(content)) as image:
                    if image.size != (_SIDE, _SIDE):
                        raise ValueError(f"it has {image.width} x {image.height} px, not {_SIDE} x {_SIDE}")
                    row[:] = 255 - np.asarray(image.convert("L"))
            except Exception as error:  # Pillow's decoders raise almost anything on damaged files
                raise UsageError(f"data: {name} in {place} is no picture of Omniglot's: {error}") from None
        return pixels, np.array([number for number, _ in chosen], np.int64)


def _zipped(file: Path) -> list[tuple[str, str]]:
    """The character and the name of each picture in a zip. Raises UsageError if it is none."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if "__MACOSX" not in member.filename]
    except (OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"data.path: {file} is no zip, or damaged: {error}") from None
    return _placed(file, (member.filename for member in members if member.file_size <= _BYTES))


def _lying(folder: Path) -> list[tuple[str, str]]:
    return _placed(folder, (path.relative_to(folder).as_posix() for path in folder.rglob("*.png")))


def _placed(place: Path, names: Iterator[str]) -> list[tuple[str, str]]:
    found = sorted((match[1], name) for name in names if (match := _PLACE.search(name)))
    if len(found) > MOST:
        raise UsageError(f"data.path: {place} holds more than {MOST:,} pictures")
    return found


def _contents(place: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
    if place.is_dir():
        for name in names:
            with (place / name).open("rb") as stream:
                yield name, stream.read(_BYTES)
        return
    with zipfile.ZipFile(place) as archive:
        for name in names:
            try:
                yield name, archive.read(name)
            except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
                raise UsageError(f"data: {name} in {place} is damaged: {error}") from None
