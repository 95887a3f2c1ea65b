"""Locks of folders: a run or a sweep belongs to one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from artkit.errors import UsageError
from artkit.files import cannot_write

LOCK_FILE = ".lock"

_DELAYS_SECONDS = (0.0, 0.01, 0.02, 0.04)  # before each attempt, since `is_held` holds the lock for a moment


class FolderLocked(UsageError):  # noqa: N818
    """Another process uses the folder."""


class FolderLock:
    """The lock of a folder, which is created if it is missing.

    The operating system releases the lock when its process ends, however it ends. On file systems without locks it has
    no effect. The lock file holds the process id and the machine, and is removed when the lock is released.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / LOCK_FILE
        self._held = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; blocks may be nested.

        Raises FolderLocked, with the id of the process, if it is held by another one or by another lock of this
        process; ArtkitError if the folder cannot be written to.
        """
        if self._held:
            yield
            return
        is_new = not self._file.parent.exists()
        descriptor = self._acquire()
        self._held = True
        try:
            yield
        finally:
            self._held = False
            with contextlib.suppress(OSError):  # in a folder that was deleted, for example
                self._file.unlink()  # before the lock is released: afterwards it may be that of another process
            os.close(descriptor)
            if is_new:
                with contextlib.suppress(OSError):  # something was written into it, as usual
                    self._file.parent.rmdir()

    def is_held(self) -> bool:
        """Return whether any process holds the lock."""
        return is_locked(self._file)

    def _acquire(self) -> int:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            while True:
                descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o666)
                if not any(_try_lock(descriptor, fcntl.LOCK_EX, delay) for delay in _DELAYS_SECONDS):
                    raise self._error(descriptor)
                if self._is_current(descriptor):
                    break
                os.close(descriptor)
        except OSError as error:
            raise cannot_write(self._file, error) from None
        with contextlib.suppress(OSError):  # the disk is full: what is written there is for messages only
            os.truncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} {socket.gethostname()}".encode())
        return descriptor

    def _is_current(self, descriptor: int) -> bool:
        """Whether the locked file is that of the folder: the process that held it before may have removed it."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._file))
        except FileNotFoundError:
            return False

    def _error(self, descriptor: int) -> FolderLocked:
        holder, _, machine = os.read(descriptor, 1000).decode("utf-8", "replace").partition(" ")
        os.close(descriptor)
        if holder == str(os.getpid()) and machine == socket.gethostname():
            user = "this process"
        else:
            place = "" if machine in ("", socket.gethostname()) else f" on {machine}"
            user = f"another process (PID {holder}{place})" if holder else "another process"
        return FolderLocked(
            f"{self._file.parent} is used by {user}", hint="wait for it, or choose another folder with --out"
        )


def is_locked(file: Path) -> bool:
    """Return whether a process holds the lock of a file. False if there is no such file."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int, delay: float = 0.0) -> bool:
    """Lock an open file after a delay in s, and return whether that succeeds. kind: LOCK_SH or LOCK_EX."""
    time.sleep(delay)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True
