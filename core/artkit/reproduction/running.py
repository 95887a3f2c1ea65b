"""Check claims: run their commands, read their figures, and keep the outcome of each in its folder."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from artkit.errors import ArtkitError
from artkit.files import write_text
from artkit.reproduction.claims import Claim, Figure
from artkit.version import __version__

OUTCOME_FILE = "outcome.json"

Status = Literal["reproduced", "differs", "data missing", "failed", "interrupted", "not attempted"]


@dataclass(frozen=True)
class Outcome:
    """What came of a claim.

    seconds: of all its commands, also before they were interrupted. values: of its figures, in their order. message:
    why it failed, or why it is not attempted. commands: what was run.
    """

    claim: str
    status: Status
    seconds: float = 0.0
    values: list[float] = field(default_factory=list)
    message: str = ""
    quick: bool = False
    version: str = __version__
    commands: list[str] = field(default_factory=list)


def check(claim: Claim, folder: Path, quick: bool) -> Outcome:
    """Run the commands of a claim in a folder, compare its figures with what is expected, and store the outcome there.

    A claim that was checked there before by the same version and commands is not run again; one that was interrupted
    continues. Errors of a command are part of the outcome.
    """
    commands = list(claim.quick if quick else claim.commands)
    started = time.monotonic()
    earlier = stored_outcome(folder)
    if earlier and (earlier.version, earlier.commands) == (__version__, commands):
        if earlier.values:
            return earlier
        if earlier.status == "interrupted":
            started -= earlier.seconds
    folder.mkdir(parents=True, exist_ok=True)
    outcome = Outcome(claim.name, "interrupted", quick=quick, commands=commands)
    try:
        status, values, message = _check(claim, commands, folder, quick)
        outcome = replace(outcome, status=status, values=values, message=message)
    finally:
        outcome = replace(outcome, seconds=round(time.monotonic() - started, 1))
        write_text(folder / OUTCOME_FILE, json.dumps(asdict(outcome), indent=1) + "\n")
    return outcome


def _check(claim: Claim, commands: list[str], folder: Path, quick: bool) -> tuple[Status, list[float], str]:
    """Return the status of a claim, the values of its figures, and a message."""
    if claim.not_reproduced:
        return "not attempted", [], claim.not_reproduced
    for index, command in enumerate(commands):
        if error := _run(command, folder, index):
            return "data missing" if error.startswith("data") else "failed", [], error
    try:
        values = [figure_value(figure, folder) for figure in claim.figures]
    except ArtkitError as error:
        return "failed", [], error.message
    met = all(_within(value, figure.limits(quick)) for value, figure in zip(values, claim.figures, strict=True))
    return "reproduced" if met else "differs", values, ""


def stored_outcome(folder: Path) -> Outcome | None:
    """Return the outcome of the claim that was last checked in a folder, or None."""
    try:
        stored: dict[str, Any] = json.loads((folder / OUTCOME_FILE).read_text(encoding="utf-8"))
        return Outcome(**stored)
    except (OSError, ValueError, TypeError):
        return None


def _run(command: str, folder: Path, index: int) -> str:
    """Run a command; its output goes to N.out and N.log. Return its error, or "" if it succeeded."""
    words = shlex.split(command)
    if words[0] == "run":
        words.append("--resume")
    log = folder / f"{index}.log"
    with (folder / f"{index}.out").open("wb") as output, log.open("wb") as errors:
        process = subprocess.run(
            [sys.executable, "-m", "artkit", *words], cwd=folder, stdout=output, stderr=errors, check=False
        )
    if not process.returncode:
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    message = next((position for position, line in enumerate(lines) if line.startswith("artkit: ")), None)
    if message is None:
        return f"artkit {command} ended with {process.returncode}; see {log}"
    return "\n".join([lines[message].removeprefix("artkit: "), *lines[message + 1 : message + 2]])


def figure_value(figure: Figure, folder: Path) -> float:
    """Read a figure from what the commands wrote into a folder. Raises ArtkitError if it is not there."""
    value = _read(figure.value, folder)
    if figure.over:
        return value / _read(figure.over, folder)
    if figure.gain_over:
        return (1 - value) / (1 - _read(figure.gain_over, folder))
    return value


def _read(place: str, folder: Path) -> float:
    source, _, key = place.partition(":")
    try:
        if source.isdecimal():
            node: Any = json.loads((folder / f"{source}.out").read_text(encoding="utf-8"))
            for part in key.split("."):
                node = node[int(part)] if isinstance(node, list) else node[part]
            return float(node)
        which, _, name = key.partition(":")
        lines = (folder / source / "log.jsonl").read_text(encoding="utf-8").splitlines()
        values = [values[name] for values in map(json.loads, lines) if name in values]
        return float(values[0 if which == "first" else -1])
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ArtkitError(f"the figure {place} is not in {folder} ({type(error).__name__}: {error})") from None


def _within(value: float, limits: tuple[float | None, float | None]) -> bool:
    above, below = limits
    return (above is None or value > above) and (below is None or value < below)
