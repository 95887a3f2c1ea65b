"""Processes of the studio. They do not end with the server, and a later server finds them by locked files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from artkit.engine.live_view import LIVE_FOLDER
from artkit.errors import ArtkitError
from artkit.files import cannot_write
from artkit.folder_lock import is_locked

_MAX_OUTPUT = 4000  # characters of the output of a process that are shown
_SCRIPT = '"$@"; echo $? > "$0"'
"""Shell script that writes the exit status of a command to a file."""


class Process:
    """A process whose output and exit status are files: NAME.txt, locked while it runs, and NAME.exit."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.output_file, self.exit_file = folder / f"{name}.txt", folder / f"{name}.exit"

    def start(self, arguments: Sequence[str], working_folder: Path) -> None:
        """Start ``python -m ARGUMENTS``. Raises ArtkitError if it is running, or the folder cannot be written."""
        try:
            self.folder.mkdir(exist_ok=True)
            handle = os.open(self.output_file, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise cannot_write(self.output_file, error) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(handle, 0)
            self.exit_file.unlink(missing_ok=True)
            subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, str(self.exit_file), sys.executable, "-m", *arguments],
                cwd=working_folder,
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                start_new_session=True,  # so that Ctrl-C and the end of the server do not reach it
            )
        except BlockingIOError:
            raise ArtkitError(f"{self.output_file.stem} is already running") from None
        except OSError as error:
            raise cannot_write(self.output_file, error) from None
        finally:
            os.close(handle)

    def alive(self) -> bool:
        """Return whether the process runs."""
        return is_locked(self.output_file)

    def failed(self) -> bool:
        """Return whether the process has ended otherwise than by finishing or by being stopped."""
        if not self.output_file.exists() or self.alive():
            return False
        try:
            code = int(self.exit_file.read_text())
        except (OSError, ValueError):  # the machine was switched off, or the process killed with its shell
            return True
        return code != 0 and "stopped after step" not in self.output()

    def output(self) -> str:
        """Return the end of what the process has printed."""
        with contextlib.suppress(OSError):
            return self.output_file.read_text(encoding="utf-8", errors="replace")[-_MAX_OUTPUT:]
        return ""

    def notes(self) -> list[str]:
        """Return the notes and expectations that the process has printed, a line each."""
        return [line for line in self.output().splitlines() if line.startswith(("note:", "expected:"))]

    def error(self) -> str:
        """Return what the process has printed as its error; "" if it has not failed."""
        if not self.failed():
            return ""
        lines = self.output().splitlines()
        starts = [index for index, line in enumerate(lines) if line.startswith(("artkit: ", "Error: "))]
        if starts:
            return "\n".join(lines[starts[-1] :]).removeprefix("artkit: ")
        return "\n".join(lines[-5:]) or "the process was ended from outside"


class RunProcess(Process):
    """The process of a run that the studio has started."""

    def __init__(self, run: Path) -> None:
        super().__init__(run / LIVE_FOLDER, "output")
        self.run = run

    def request_stop(self) -> None:
        """Let the run stop after its current step, whoever has started it. Raises ArtkitError for a full disk."""
        try:
            self.folder.mkdir(exist_ok=True)
            (self.folder / "stop").touch()
        except OSError as error:
            raise cannot_write(self.folder / "stop", error) from None

    def watch(self) -> None:
        """Tell the run that somebody watches."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(exist_ok=True)
            (self.folder / "watching").touch()
