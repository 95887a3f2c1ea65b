"""The finished picture of a run that is repeated in its folder: kept beside the new one, unless both are the same."""

from __future__ import annotations

import contextlib
import filecmp
import shutil
from collections.abc import Iterable
from pathlib import Path

from artkit.files import atomic, cannot_write
from artkit.output.finished_picture import PAINTING_FILE

EARLIER_FOLDER = "earlier"

_DISCARDED = ".artkit-same"  # a name that `remove_leftovers` removes, should the process be killed


def keep_earlier(folder: Path, copied: Iterable[Path], left: Iterable[Path]) -> None:
    """Move the files of a finished picture into a subfolder, earlier/ or earlier-2/ and so on.

    copied: files that the subfolder gets a copy of, so that it is the folder of a run too. left: files that are not
    moved. If there is no picture, nothing is done. A move that was interrupted is continued: the picture comes last.
    Raises ArtkitError if the files cannot be moved.
    """
    picture = folder / PAINTING_FILE
    if not picture.exists():
        return
    destination = next(path for path in _candidates(folder) if not (path / PAINTING_FILE).exists())
    try:
        destination.mkdir(exist_ok=True)
        for file in copied:
            if file.exists():
                with atomic(destination / file.name) as temporary:
                    shutil.copyfile(file, temporary)
        unmoved = {*copied, *left, picture}
        for path in sorted(folder.iterdir()):
            if path not in unmoved and not path.name.startswith((EARLIER_FOLDER, ".")):
                path.replace(destination / path.name)
        picture.replace(destination / picture.name)
    except OSError as error:
        raise cannot_write(destination / PAINTING_FILE, error) from None


def compare_earlier(folder: Path) -> list[Path]:
    """Remove the earlier pictures that are the same, byte by byte, as the new one. Return the folders of the others."""
    kept = []
    for path in sorted(folder.glob(f"{EARLIER_FOLDER}*/")):
        picture = path / PAINTING_FILE
        if picture.exists() and filecmp.cmp(picture, folder / PAINTING_FILE, shallow=False):
            with contextlib.suppress(OSError):  # the disk has become read-only, for example; it does no harm there
                shutil.rmtree(path.rename(folder / _DISCARDED))
        elif picture.exists():
            kept.append(path)
    return kept


def _candidates(folder: Path) -> Iterable[Path]:
    yield folder / EARLIER_FOLDER
    number = 2
    while True:
        yield folder / f"{EARLIER_FOLDER}-{number}"
        number += 1
