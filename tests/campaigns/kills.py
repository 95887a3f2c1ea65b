"""Campaign: commands are killed (SIGKILL) at random moments and repeated; the results are those without the kill.

Half of the processes are killed after a random time, the others before a random operation that changes files, such as
the move of a complete file to its place. Some are killed several times. The folder is checked after each kill.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from commands import PAINTING, Command, on_file_operation, run, warm_up
from harness import Case, Fault, main

WINDOWS = PAINTING.replace("[32, 24]", "[200, 24]\nwindow = 128").replace("mypaint", "gan")
OUTPUTS = PAINTING + '[output]\nscale = 2\nformats = ["png", "jpg", "json", "dzi"]\n'
AGENT = """
seed = 3
steps = 3
size = [32, 32]
data = { type = "folder", path = "images", batch = 2, unseen = 0 }
canvas = { type = "single", strokes = 2 }
renderer = { type = "gan", grain = false }
agent = { type = "lstm", view = 16, channels = 4, cells = 8 }
objective.match = { type = "pixel" }
"""
TRAINER = """
seed = 3
steps = 3
trainer = { type = "gan", batch = 4, strokes = 0, listen = 8, regression = 0.5, critic_steps = 1 }
"""
RUN = ["run", "{}/{}.toml", "--out", "out", "--resume"]
EXPORTED = ["out/a.png", "out/a.tif", "out/a.dzi", "out/a.ora", "out/a.svg", "out/a.gif", "out/a.json"]
COMMANDS: dict[str, list[str]] = {
    "paint": RUN,
    "windows": RUN,
    "outputs": RUN,
    "agent": RUN,
    "train": RUN,
    "export": ["export", "{}/paint/out", *EXPORTED, "--scale", "2"],
    "sweep": ["sweep", "{}/paint.toml", "--seeds", "2", "--workers", "1", "--out", "out", "--resume"],
}
SHARES = {"sweep": 1}
"""How often a command is chosen, of which the others are chosen 8 times."""
_CLEANING_SECONDS = 10.0  # in which a process of its own removes what a killed export has left
_NOT_COMPARED = ("checkpoint.safetensors", "report.html", "index.html")
"""Files that contain times, or are checked by what the next run makes of them."""


def prepare(folder: Path) -> Case:
    """Execute each command undisturbed, for its results, its duration and the number of its file operations."""
    from PIL import Image

    from artkit.errors import ArtkitError

    folder = folder.absolute()
    warm_up(folder)
    recipes = {"paint": PAINTING, "windows": WINDOWS, "outputs": OUTPUTS, "agent": AGENT, "train": TRAINER}
    (folder / "images").mkdir()
    for number in range(4):
        Image.linear_gradient("L").resize((32, 32)).rotate(90 * number).save(folder / "images" / f"{number}.png")
    for name, text in recipes.items():
        (folder / f"{name}.toml").write_text(text)
    seconds, operations = {}, {}
    for name in COMMANDS:
        (folder / name).mkdir()
        for _ in range(1 if name == "export" else 2):  # the first one compiles kernels
            shutil.rmtree(folder / name / "out", ignore_errors=True)
            began = time.monotonic()
            _finish(name, folder, folder / name, folder / name)
            seconds[name] = time.monotonic() - began
        counter = folder / f"{name}.operations"
        shutil.rmtree(folder / name / "out", ignore_errors=True)
        run(_arguments(name, folder), folder / name, folder / name, lambda counter=counter: _count_operations(counter))
        operations[name] = int(counter.read_text())
    expected = {name: _results(folder / name / "out") for name in COMMANDS}
    choices = [name for name in COMMANDS for _ in range(SHARES.get(name, 8))]

    def case(rng: random.Random | None, work: Path) -> Mapping[str, int]:
        if rng is None:
            return {}
        name, output = rng.choice(choices), work / "command"
        folder_of_case = work / "run"
        folder_of_case.mkdir()
        kills = 0
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            at_operation = rng.randint(1, operations[name]) if rng.random() < 0.5 else None
            if not _killed(name, folder, folder_of_case, output, rng.uniform(0, seconds[name]), at_operation, rng):
                break
            kills += 1
            _wait_for_cleaning(folder_of_case / "out")
            try:
                _check_readable(folder_of_case / "out")
            except (ArtkitError, ValueError, OSError, SyntaxError) as error:
                raise Fault(f"{name}: unreadable file after a kill: {type(error).__name__}: {error}") from None
        _finish(name, folder, folder_of_case, output)
        if differences := _differences(expected[name], _results(folder_of_case / "out")):
            raise Fault(f"{name}: after a kill these differ: {', '.join(differences)}")
        return {"kills": kills, f"kills of {name}": kills}

    return case


def _arguments(name: str, valid: Path) -> list[str]:
    return [argument.format(valid, name) for argument in COMMANDS[name]]


def _finish(name: str, valid: Path, folder: Path, output: Path) -> None:
    """Execute a command to its end. Raises Fault if it fails."""
    (folder / "out").mkdir(exist_ok=True)
    command = run(_arguments(name, valid), folder, output)
    if command.status != 0:
        raise Fault(f"{name}: exit status {command.status}: {command.error_text()[-300:]}")


def _killed(
    name: str, valid: Path, folder: Path, output: Path, seconds: float, at_operation: int | None, rng: random.Random
) -> bool:
    """Execute a command and kill it; return whether it had not finished before."""
    (folder / "out").mkdir(exist_ok=True)
    command = Command(_arguments(name, valid), folder, output, lambda: at_operation and _die_at_operation(at_operation))
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
        raise Fault(f"{name}: exit status {status}: {command.error_text()[-300:]}")
    return status == -signal.SIGKILL


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _die_at_operation(last: int) -> None:
    on_file_operation(lambda number, _: os.kill(os.getpid(), signal.SIGKILL) if number == last else None)


def _count_operations(file: Path) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    on_file_operation(lambda number, _: os.pwrite(descriptor, str(number).encode(), 0) and None)


def _wait_for_cleaning(folder: Path) -> None:
    end = time.monotonic() + _CLEANING_SECONDS
    while any(folder.glob(".artkit-*/")) and time.monotonic() < end:
        time.sleep(0.01)


def _results(folder: Path) -> dict[str, Any]:
    """Return all that must not depend on kills, by file."""
    results: dict[str, Any] = {}
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder))
        if file.suffix == ".jsonl":
            results[name] = [_without_times(json.loads(line)) for line in file.read_text().splitlines()]
        elif file.is_file():
            results[name] = None if file.name in _NOT_COMPARED else _bytes(file)
    return results


def _bytes(file: Path) -> bytes:
    """Return the contents of a file without the times in it."""
    if file.suffix != ".ora":
        return file.read_bytes()
    import zipfile

    with zipfile.ZipFile(file) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if key != "seconds"}
    return value


def _differences(expected: Mapping[str, Any], results: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in expected.keys() | results.keys() if expected.get(name, "") != results.get(name, ""))


def _check_readable(folder: Path) -> None:
    """Raise an exception if a file in the folder of a command that was killed is damaged."""
    from PIL import Image

    from artkit.engine import checkpoint
    from artkit.strokes.stroke_log import StrokeLog

    readers: dict[str, Callable[[Path], object]] = {
        "recipe.toml": lambda file: tomllib.loads(file.read_text()),
        "strokes.json": StrokeLog.load,
        "a.json": lambda file: json.loads(file.read_text()),
        "sweep.jsonl": lambda file: [json.loads(line) for line in file.read_text().splitlines()],
        "checkpoint.safetensors": checkpoint.load,
    }
    for file in _finished_files(folder):
        if file.suffix in (".png", ".jpg", ".gif", ".tif"):
            with Image.open(file) as image:
                image.load()
        elif file.name in readers:
            readers[file.name](file)


def _finished_files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder, except temporary ones."""
    for file in folder.rglob("*"):
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts):
            yield file


if __name__ == "__main__":
    main("kills", __doc__, prepare, case_seconds=300)
