"""Atomic writing of files: the earlier file stays until the new one is complete."""

from __future__ import annotations

import codecs
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
    """Yield a temporary path beside `file`; rename it to `file` when the block ends, or remove it on an exception.

    Raises ArtkitError if the folder cannot be written to or the disk is full.
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
        with contextlib.suppress(OSError):  # the disk has become read-only, for example
            temporary.unlink(missing_ok=True)


_CLEANUP_SCRIPT = """\
cat > /dev/null
for path in "$0"/old/*; do
  if [ -e "$path" ] && [ ! -e "$1/${path##*/}" ]; then mv "$path" "$1"; fi
done
rm -rf "$0"
"""
"""Shell script that moves what is left in $0/old back to the folder $1 and removes the temporary folder $0."""


@contextmanager
def staged(file: Path) -> Iterator[Path]:
    """Yield a path named like `file` in an empty temporary folder, for formats that write several files.

    When the block ends, everything in the temporary folder moves beside `file`; `file` itself moves last. On an
    exception, nothing is left. A process of its own removes the temporary folder, even if this process is killed.

    Raises ArtkitError if the folder cannot be written to or the disk is full.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _remove_unlocked_folders(file.parent)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=file.parent))
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)  # keeps other processes from removing the folder
    except OSError as error:
        raise cannot_write(file, error) from None
    # The script waits for the end of its standard input, which this process closes even when it is killed.
    cleaner = subprocess.Popen(
        ["sh", "-c", _CLEANUP_SCRIPT, folder, file.parent],
        stdin=subprocess.PIPE,
        process_group=0,  # so that Ctrl-C in a terminal does not reach it
    )
    try:
        (folder / "new").mkdir()
        (folder / "old").mkdir()
        yield folder / "new" / file.name
        for path in sorted((folder / "new").iterdir(), key=lambda path: path.name == file.name):
            _move_into_place(path, file.parent / path.name, folder / "old")
    except OSError as error:
        # Move the new versions out of the way: the cleanup script restores the earlier ones.
        for path in (folder / "old").glob("*"):
            with contextlib.suppress(OSError):
                (file.parent / path.name).replace(folder / "new" / path.name)
        raise cannot_write(file, error) from None
    finally:
        cleaner.communicate()
        os.close(lock)


def _move_into_place(source: Path, destination: Path, old: Path) -> None:
    """Move a file or folder to its destination. A folder that is there already moves into the folder `old`."""
    if source.is_dir():
        if destination.exists():
            destination.replace(old / destination.name)
    else:
        with source.open("rb") as stream:
            os.fsync(stream.fileno())
    source.replace(destination)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()


def cannot_write(file: Path, error: OSError) -> ArtkitError:
    """Return the error to raise when `file` could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ArtkitError(
            f"no space left on the disk for {file}", hint="free some space; a run can be continued with --resume"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ArtkitError(f"{file.parent} cannot be written to", hint="choose another folder with --out")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return ArtkitError(f"{file.parent} is not a folder", hint="choose another folder with --out")
    return ArtkitError(f"cannot write {file}: {error.strerror or error}")


def read_text(file: Path) -> str:
    """Return the text of a UTF-8 file, with or without a byte-order mark, as editors of Windows write it.

    UTF-16 with a byte-order mark is read too. Raises OSError or UnicodeDecodeError.
    """
    content = file.read_bytes()
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if is_utf_16 else "utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write_text(file: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    with atomic(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes left in a folder."""
    _remove_unlocked_folders(folder)
    for leftover in folder.glob(f"{_PREFIX}*"):
        if not leftover.is_dir():
            with contextlib.suppress(OSError):
                leftover.unlink()


def _remove_unlocked_folders(folder: Path) -> None:
    """Remove the temporary folders of `staged` that no process holds a lock on."""
    for leftover in folder.glob(f"{_PREFIX}*/"):
        with contextlib.suppress(OSError):
            handle = os.open(leftover, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover)
            finally:
                os.close(handle)


def sha256(file: Path) -> str:
    """Return the sha256 of a file as a hexadecimal string."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def existing_parent(folder: Path) -> Path:
    """Return a folder if it exists, otherwise the nearest folder above it that does: it is on the same disk."""
    return next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
