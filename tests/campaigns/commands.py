"""Run commands of artkit in processes that are forked from this one, in which artkit is imported and has painted.

A new process would take seconds to import torch; these start in milliseconds.
"""

from __future__ import annotations

import contextlib
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
    """A process that executes a command of artkit in a folder. Its output is in files of which only artkit writes."""

    def __init__(
        self, arguments: list[str], folder: Path, output: Path, setup: Callable[[], object] | None = None
    ) -> None:
        """output: prefix of the files for standard output and error. setup: called in the process, before."""
        self.output, self.errors = output.with_suffix(".out"), output.with_suffix(".err")
        self.status: int | None = None
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            self._execute(arguments, folder, setup)

    def _execute(self, arguments: list[str], folder: Path, setup: Callable[[], object] | None) -> None:
        from artkit.cli.main import cli

        code: object = 1
        try:
            os.setpgid(0, 0)
            os.chdir(folder)
            for number, file in ((1, self.output), (2, self.errors)):
                descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o666)
                os.dup2(descriptor, number)
                os.close(descriptor)
            sys.stdin, sys.stdout, sys.stderr = open(os.devnull), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
            if setup:
                setup()
            cli.main(arguments)
        except SystemExit as ended:
            code = ended.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError):
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

    def error_text(self) -> str:
        """Return what it has written to standard error."""
        return self.errors.read_text(encoding="utf-8", errors="replace")


def run(arguments: list[str], folder: Path, output: Path, setup: Callable[[], object] | None = None) -> Command:
    """Run a command to its end."""
    command = Command(arguments, folder, output, setup)
    try:
        command.wait(300)
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
