"""Campaign: commands are killed (SIGKILL) at random moments and repeated; the results are those without the kill.

Half of the processes are killed after a random time, the others before a random operation that changes files, such as
the move of a complete file to its place. Some are killed several times. The folder is checked after each kill.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from commands import Command, on_file_operation
from harness import Case, Fault, main
from results import Commands, check_readable, differences

SHARES = {"sweep": 1}
"""How often a command is chosen, of which the others are chosen 8 times."""


def prepare(folder: Path, names: Sequence[str] = Commands.ALL) -> Case:
    """Execute each command undisturbed."""
    commands = Commands(folder, names)
    choices = [name for name in commands.names for _ in range(SHARES.get(name, 8))]

    def case(rng: random.Random | None, work: Path) -> Mapping[str, int]:
        if rng is None:
            return {}
        name, place, kills = rng.choice(choices), work / "run", 0
        place.mkdir()
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            at_operation = rng.randint(1, commands.operations[name]) if rng.random() < 0.5 else None
            if not _killed(commands, name, place, rng.uniform(0, commands.seconds[name]), at_operation, rng):
                break
            kills += 1
            check_readable(name, place / "out")
        commands.finish(name, place)
        if changed := differences(commands.expected[name], commands.results(place / "out")):
            raise Fault(f"{name}: after a kill these differ: {', '.join(changed)}")
        return {"kills": kills, f"kills of {name}": kills}

    return case


def prepare_short(folder: Path) -> Case:
    """Do so for three commands."""
    return prepare(folder, ("paint", "export", "film"))


def _killed(
    commands: Commands, name: str, place: Path, seconds: float, at_operation: int | None, rng: random.Random
) -> bool:
    """Execute a command and kill it; return whether it had not finished before."""
    (place / "out").mkdir(exist_ok=True)
    setup = (lambda: _die_at_operation(at_operation)) if at_operation else None
    command = Command(commands.arguments(name), place, setup)
    if at_operation is None:
        command.wait(seconds)
        if name == "sweep" and command.status is None and rng.random() < 0.5:
            for child in _children(command.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            command.wait(120)  # it starts another worker
            return command.kill() == 0
        status = command.kill()
    else:
        command.wait(120)
        status = command.kill()
    if status not in (0, -signal.SIGKILL):
        raise Fault(f"{name}: exit status {status}: {command.text()[-300:]}")
    return status == -signal.SIGKILL


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _die_at_operation(last: int) -> None:
    on_file_operation(lambda number, _: os.kill(os.getpid(), signal.SIGKILL) if number == last else None)


if __name__ == "__main__":
    main("kills", __doc__, prepare, case_seconds=300)
