"""Campaign: two processes in one folder, signals, and odd environments corrupt nothing.

A second process is refused with the id of the first, or the folder is free. Signals, a closed output, a clock that
jumps, a missing home, other locales and file masks change nothing but the moment at which a command ends.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from commands import Command
from harness import Case, Fault, main
from results import Commands, check_readable, differences

SIGNALS = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGPIPE,
    signal.SIGTSTP,
    signal.SIGSTOP,
    signal.SIGWINCH,
)
STATUSES = (0, 1, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT)
FOLDER_COMMANDS = ("paint", "windows", "outputs", "agent", "train")


def _jumping_clock() -> None:
    rng, real = random.Random(0), time.time
    time.time = lambda: real() + rng.choice((-(10**9), 0, 10**9))


def _without_terminal() -> None:
    for number in (0, 1, 2):
        with contextlib.suppress(OSError):
            os.close(number)
    sys.stdin = sys.stdout = sys.stderr = None  # type: ignore[assignment]  # as Python does when it starts


def _with_environment(**values: str | None) -> Callable[[], None]:
    def setup() -> None:
        for name, value in values.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    return setup


ENVIRONMENTS: dict[str, Callable[[], object]] = {
    "no home": _with_environment(HOME=None, USER=None, LOGNAME=None, XDG_CACHE_HOME=None),
    "home is no folder": _with_environment(HOME="/dev/null", XDG_CACHE_HOME="/dev/null"),
    "C locale": _with_environment(LANG="C", LC_ALL="C", PYTHONIOENCODING="ascii"),
    "odd terminal": _with_environment(TERM="dumb", COLUMNS="1", NO_COLOR="1"),
    "clock that jumps": _jumping_clock,
    "file mask": lambda: os.umask(0o077),
    "no terminal": _without_terminal,
    "low priority": lambda: os.nice(19),
}


def prepare(folder: Path, names: Sequence[str] = (*FOLDER_COMMANDS, "export")) -> Case:
    """Execute each command undisturbed."""
    commands = Commands(folder, names)

    def case(rng: random.Random | None, work: Path) -> Mapping[str, int]:
        if rng is None:
            return {}
        name, kind, place = rng.choice(names), rng.choice(("two", "signal", "reader", "environment")), work / "run"
        (place / "out").mkdir(parents=True)
        if kind == "two":
            kind = _start_two(commands, name, place, rng)
        elif kind == "environment":
            kind = rng.choice(sorted(ENVIRONMENTS))
            command = Command(commands.arguments(name), place, ENVIRONMENTS[kind])
            command.wait(120)
            if command.kill() != 0:
                raise Fault(f"{name}: {kind}: exit status {command.status}: {command.text()[-300:]}")
        else:
            _disturb(commands, name, place, rng, kind)
        check_readable(name, place / "out")
        commands.finish(name, place)
        if changed := differences(commands.expected[name], commands.results(place / "out")):
            raise Fault(f"{name}: {kind}: these differ: {', '.join(changed)}")
        return {kind: 1}

    return case


def prepare_short(folder: Path) -> Case:
    """Do so for one command."""
    return prepare(folder, ("paint",))


def _start_two(commands: Commands, name: str, place: Path, rng: random.Random) -> str:
    """Execute a command twice at a time. Raises Fault unless the second one is refused, or the first has finished."""
    first = Command(commands.arguments(name), place)
    first.wait(rng.uniform(0, commands.seconds[name]))
    second = Command(commands.arguments(name), place)
    statuses = [command.wait(120) for command in (first, second)]
    for command in (first, second):
        command.kill()
    refused = [command for command in (first, second) if command.status == 2]
    others = {first.pid: second, second.pid: first}
    if 0 not in statuses or statuses not in ([0, 0], [0, 2], [2, 0]):
        raise Fault(f"{name}: two processes end with {statuses}: {first.text()[-200:]} {second.text()[-200:]}")
    for command in refused:
        if f"is used by another process (PID {others[command.pid].pid})" not in command.text():
            raise Fault(f"{name}: the first process is not named: {command.text()[-200:]}")
    return "two, one refused" if refused else "two, both"


def _disturb(commands: Commands, name: str, place: Path, rng: random.Random, kind: str) -> None:
    """Send signals to a command, or close the reader of its output."""
    command = Command(commands.arguments(name), place)
    for _ in range(rng.choice((1, 1, 2))):
        command.wait(rng.uniform(0, commands.seconds[name]))
        if command.status is not None:
            break
        if kind == "reader":
            command.close_reader()
            break
        os.kill(command.pid, rng.choice(SIGNALS))
        time.sleep(0.01)
        os.kill(command.pid, signal.SIGCONT)
    command.wait(120)
    text = "" if kind == "reader" else command.text()
    if command.kill() not in STATUSES or "Traceback" in text:
        raise Fault(f"{name}: {kind}: exit status {command.status}: {text[-300:]}")


if __name__ == "__main__":
    main("processes", __doc__, prepare, case_seconds=300)
