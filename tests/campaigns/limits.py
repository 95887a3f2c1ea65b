"""Campaign: commands with little memory, from impossible to comfortable, work or say so in one message.

The limit is one of the address space (RLIMIT_AS) beyond what the imported packages take. A command that fails must do
so by one message and exit status 1 or 2, not by a traceback or a signal. Afterwards the same command gives the
undisturbed results without a limit. GLib, of which libvips consists, ends a process that it cannot allocate memory for;
that is counted, and is no fault if the files are intact.
"""

from __future__ import annotations

import random
import resource
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from commands import run
from harness import Case, Fault, main
from results import Commands, check_readable, differences

SIZES = ("16", "400", "1500")
"""Sizes of pictures that are painted besides the commands of the other campaigns, px."""


def prepare(folder: Path, names: Sequence[str] = ("paint", "outputs", "agent", "train", "export")) -> Case:
    """Execute each command undisturbed."""
    commands = Commands(folder, names)

    def case(rng: random.Random | None, work: Path) -> Mapping[str, int]:
        if rng is None:
            return {}
        megabytes, name, place = int(2 ** rng.uniform(0, 11)), rng.choice(commands.names), work / "run"
        place.mkdir()
        (place / "out").mkdir()
        arguments = commands.arguments(name)
        other_size = name == "paint" and rng.random() < 0.7
        if other_size:
            arguments += ["--size", rng.choice(SIZES), "--set", "steps=1"]
        command = run(arguments, place, lambda: _limit_memory(megabytes), 100)
        text = command.text()
        aborted = command.status == -signal.SIGABRT and "glib" in text
        if aborted:
            text, command.status = "artkit: ", 1
        if "Traceback" in text or command.status not in (0, 1, 2) or (command.status and "artkit: " not in text):
            raise Fault(f"{name}: exit status {command.status}: {text[-300:]}")
        check_readable(name, place / "out")
        if not other_size:
            commands.finish(name, place)
            if changed := differences(commands.expected[name], commands.results(place / "out")):
                raise Fault(f"{name}: these differ: {', '.join(changed)}")
        if aborted:
            return {"ended by GLib": 1}
        return {"worked" if command.status == 0 else "too little memory": 1}

    return case


def prepare_short(folder: Path) -> Case:
    """Do so for one command."""
    return prepare(folder, ("paint",))


def _limit_memory(megabytes: int) -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main("limits", __doc__, prepare, case_seconds=300)
