"""Campaign: an operation that changes files fails, by a full disk, a limit, a broken or a read-only one.

Each operation of a command fails once (those of Python), each file may grow to a random size only, and, as root on
Linux, the disk is a small tmpfs. The command must say so in one message with exit status 1, or go on without the file;
files of an earlier run stay readable, and the same command gives the undisturbed results once the disk works again.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from commands import on_file_operation, run
from harness import Case, Fault, main
from results import Commands, check_readable, differences

CODES = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EDQUOT)
OVERWRITTEN = ("paint", "outputs", "export", "train")


def prepare(
    folder: Path, names: Sequence[str] = ("paint", "windows", "outputs", "agent", "train", "film", "export")
) -> Case:
    """Execute each command undisturbed."""
    commands = Commands(folder, names)
    can_mount = sys.platform == "linux" and os.geteuid() == 0 and _can_mount(folder)
    kinds = ("operation", "operation", "operation", "growth", "growth", "disk" if can_mount else "operation")

    def case(rng: random.Random | None, work: Path) -> Mapping[str, int]:
        if rng is None:
            return {}
        name, kind = rng.choice(commands.names), rng.choice(kinds)
        place = work / "run"
        place.mkdir()
        if name in OVERWRITTEN and rng.random() < 0.4:  # in the folder of an earlier result
            shutil.copytree(folder / name / "out", place / "out")
            if name != "export":
                (place / "out" / "checkpoint.safetensors").unlink()
        else:
            (place / "out").mkdir()
        if kind == "disk":
            with _small_disk(place / "out", rng.choice((4, 8, 16, 32, 64, 128))):
                _attempt(commands, name, place, None)
        elif kind == "growth":
            size = int(2 ** rng.uniform(0, 17))
            _attempt(commands, name, place, lambda: _limit_growth(size))
        else:
            number, code = rng.randint(1, commands.operations[name]), rng.choice(CODES)
            _attempt(commands, name, place, lambda: _fail_operation(number, code, str(place)))
        commands.finish(name, place)
        if changed := differences(commands.expected[name], commands.results(place / "out")):
            raise Fault(f"{name}: after a failed {kind} these differ: {', '.join(changed)}")
        return {kind: 1}

    return case


def prepare_short(folder: Path) -> Case:
    """Do so for one command."""
    return prepare(folder, ("paint",))


def _attempt(commands: Commands, name: str, place: Path, setup: Callable[[], object] | None) -> None:
    """Execute a command whose writes fail. Raises Fault unless it says so and leaves readable files."""
    command = run(commands.arguments(name), place, setup)
    text = command.text()
    if "Traceback" in text or command.status not in (0, 1, 2):
        last = text.strip().rpartition("\n")[2]
        raise Fault(f"{name}: exit status {command.status}: {last[:200]}")
    if command.status and "artkit: " not in text:
        raise Fault(f"{name}: exit status {command.status} without a message: {text[-200:]}")
    check_readable(name, place / "out")


def _fail_operation(failing: int, code: int, folder: str) -> None:
    """Let an operation on a file in the folder fail; relative paths lie in it, too."""

    def act(number: int, path: str) -> None:
        if number == failing and (path.startswith(folder) or not os.path.isabs(path)):
            raise OSError(code, os.strerror(code), path)

    on_file_operation(act)


def _limit_growth(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@contextmanager
def _small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """Mount a small disk in place of a folder; what is written to it is in the folder afterwards."""
    disk = folder.with_name("disk")
    disk.mkdir()
    size = sum(file.stat().st_size // 4096 + 2 for file in folder.rglob("*")) * 4 + kilobytes
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", disk], check=True)
    try:
        shutil.copytree(folder, disk / "out")
        shutil.rmtree(folder)
        folder.symlink_to(disk / "out")
        yield
    finally:
        folder.unlink()
        shutil.copytree(disk / "out", folder)
        subprocess.run(["umount", "-l", disk], check=True)


def _can_mount(folder: Path) -> bool:
    disk = folder / "mounted"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "none", disk], capture_output=True, check=False)
    return done.returncode == 0 and subprocess.run(["umount", disk], check=False).returncode == 0


if __name__ == "__main__":
    main("writes", __doc__, prepare, case_seconds=300)
