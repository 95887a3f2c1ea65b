"""Run commands of artkit in processes that are forked from this one, in which artkit is imported and has painted.

A new process would take seconds to import torch; these start in milliseconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

PAINTING = """
seed = 3
steps = 3
size = [32, 24]
canvas = { type = "grid", tile = 16, overlap = 8, strokes = 1 }
renderer = { type = "mypaint" }
objective.look = { type = "total-variation", of = "picture" }
"""
"""A recipe that takes some tenths of a second."""

_WRITING_EVENTS = frozenset(
    {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "shutil.rmtree", "shutil.copyfile"}
)


class Command:
    """A process that executes a command of artkit in a folder.

    setup: called in the process, before. status: the exit status, negative for a signal; None while it runs.
    """

    def __init__(self, arguments: list[str], folder: Path, setup: Callable[[], object] | None = None) -> None:
        self.status: int | None = None
        self._reader, self._writer = os.pipe()  # a file would need a disk
        fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, 1 << 20)
        os.set_blocking(self._reader, False)
        self._text = b""
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            self._execute(arguments, folder, setup)
        os.close(self._writer)

    def _execute(self, arguments: list[str], folder: Path, setup: Callable[[], object] | None) -> None:
        from artkit.cli.main import main

        code: object = 1
        try:
            os.setpgid(0, 0)
            os.chdir(folder)
            os.dup2(self._writer, 1)
            os.dup2(self._writer, 2)
            sys.stdin, sys.stdout, sys.stderr = open(os.devnull), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
            if setup:
                setup()
            sys.argv = ["artkit", *arguments]
            main()
        except SystemExit as ended:
            code = ended.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, AttributeError):
                sys.stdout.flush()
            os._exit(code if isinstance(code, int) else 1)

    def wait(self, seconds: float) -> int | None:
        """Return the exit status, negative for a signal; None if the process is still running after `seconds`."""
        end = time.monotonic() + seconds
        while self.status is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                break
            else:
                time.sleep(0.001)
        return self.status

    def kill(self) -> int:
        """Kill the process, unless it has ended; return its exit status."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
        status = self.wait(60)
        assert status is not None
        return status

    def text(self) -> str:
        """Return what it has written to standard output and error."""
        with contextlib.suppress(BlockingIOError):  # a process that it started is still running
            while chunk := os.read(self._reader, 1 << 16):
                self._text += chunk
        return self._text.decode(errors="replace")

    def close_reader(self) -> None:
        """Close the other end of standard output and error; the text is lost."""
        os.close(self._reader)
        self._reader = os.open(os.devnull, os.O_RDONLY)

    def __del__(self) -> None:
        os.close(self._reader)


def run(arguments: list[str], folder: Path, setup: Callable[[], object] | None = None, seconds: float = 300) -> Command:
    """Run a command to its end, or kill it after `seconds`."""
    command = Command(arguments, folder, setup)
    try:
        command.wait(seconds)
    finally:
        command.kill()
    return command


def warm_up(folder: Path) -> None:
    """Import artkit and paint, so that forked processes have all modules and kernels."""
    from artkit.cli.main import cli
    from artkit.engine import run as run_module
    from artkit.registry.plugin_registry import KIND_HOOKS, get_registry

    for kind in KIND_HOOKS:
        get_registry().components(kind)
    run_module.SECONDS_BETWEEN_CHECKPOINTS = -1.0  # after each step
    (folder / "warm.toml").write_text(PAINTING)
    with open(os.devnull, "w") as null, contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
        run, recipe, picture = (str(folder / name) for name in ("warm", "warm.toml", "warm.png"))
        for arguments in (["run", recipe, "--out", run], ["export", run, picture]):
            with contextlib.suppress(SystemExit):
                cli.main(arguments)
    if not (folder / "warm.png").exists():
        raise RuntimeError("artkit does not paint")


def on_file_operation(act: Callable[[int, str], None]) -> None:
    """Call act(number, path) before each operation of this process that changes files; numbers begin with 1.

    act may raise an OSError, which the operation then raises. Operations of other languages than Python are not seen.
    """
    count = 0

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        writes = event in _WRITING_EVENTS
        if event == "open" and isinstance(arguments[2], int):
            writes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if writes:
            count += 1
            act(count, str(arguments[0]))

    sys.addaudithook(audit)
