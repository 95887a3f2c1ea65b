"""Writing files so that what was there stays whole until what is new is complete."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artkit.errors import ArtkitError

_PREFIX = ".artkit-"


@contextmanager
def atomic(file: Path) -> Iterator[Path]:
    """A path beside `file` to write to; moved into its place when the block ends, removed when it fails.

    Raises ArtkitError where the folder cannot be written or the disk is full.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_PREFIX, suffix=file.suffix, dir=file.parent)
        os.close(handle)
    except OSError as error:
        raise cannot_write(file, error) from None
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(file)
    except OSError as error:
        raise cannot_write(file, error) from None
    finally:
        temporary.unlink(missing_ok=True)


_CLEAN = """\
cat > /dev/null
for kept in "$0"/old/*; do
  if [ -e "$kept" ] && [ ! -e "$1/${kept##*/}" ]; then mv "$kept" "$1"; fi
done
rm -rf "$0"
"""
"""What is done with the folder $0 beside a file in $1: what made room and was not replaced yet goes back."""


@contextmanager
def staged(file: Path) -> Iterator[Path]:
    """A path of the same name in an empty folder beside `file`. When the block ends, all that was written into that
    folder moves beside `file`, which comes last; when it fails, nothing is left. Nothing is left either of a process
    that is killed.

    Raises ArtkitError where the folder cannot be written or the disk is full.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _remove_folders(file.parent)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=file.parent))
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)  # so that no other process takes it for a leftover
    except OSError as error:
        raise cannot_write(file, error) from None
    # It waits until its standard input ends, as it does with this process however that goes.
    cleaner = subprocess.Popen(
        ["sh", "-c", _CLEAN, folder, file.parent],
        stdin=subprocess.PIPE,
        process_group=0,  # a terminal's Ctrl-C is not for it
    )
    try:
        (folder / "new").mkdir()
        (folder / "old").mkdir()
        yield folder / "new" / file.name
        for made in sorted((folder / "new").iterdir(), key=lambda path: path.name == file.name):
            there = file.parent / made.name
            if made.is_dir():
                if there.exists():
                    there.replace(folder / "old" / made.name)
            else:
                with made.open("rb") as stream:
                    os.fsync(stream.fileno())
            made.replace(there)
    except OSError as error:
        for kept in (folder / "old").glob("*"):  # it goes back if its place is free
            with contextlib.suppress(OSError):
                (file.parent / kept.name).replace(folder / "new" / kept.name)
        raise cannot_write(file, error) from None
    finally:
        cleaner.communicate()
        os.close(lock)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()


def cannot_write(file: Path, error: OSError) -> ArtkitError:
    """What to tell the user when `file` could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ArtkitError(f"no space left on the disk for {file}", hint="make room; a run goes on with --resume")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ArtkitError(f"{file.parent} cannot be written to", hint="choose another folder with --out")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return ArtkitError(f"{file.parent} is not a folder", hint="choose another folder with --out")
    return ArtkitError(f"cannot write {file}: {error.strerror or error}")


def write_text(file: Path, text: str) -> None:
    """Write a text file atomically, UTF-8."""
    with atomic(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_leftovers(folder: Path) -> None:
    """Remove what writers that were killed left unfinished in a folder."""
    _remove_folders(folder)
    for leftover in folder.glob(f"{_PREFIX}*"):
        if not leftover.is_dir():
            leftover.unlink(missing_ok=True)


def _remove_folders(folder: Path) -> None:
    """Remove the folders of `staged` that no process holds any more."""
    for leftover in folder.glob(f"{_PREFIX}*/"):
        with contextlib.suppress(OSError):
            held = os.open(leftover, os.O_RDONLY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover)
            finally:
                os.close(held)


def sha256(file: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
