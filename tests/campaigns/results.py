"""The commands that campaigns disturb, what they leave when they are not disturbed, and how the two are compared."""

from __future__ import annotations

import json
import os
import shutil
import time
import tomllib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from commands import PAINTING, on_file_operation, run, warm_up
from harness import Fault

LONG = PAINTING.replace("steps = 3", "steps = 12")
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
FILM = """
seed = 3
steps = 3
size = [48, 32]
film = { clip = "frames", steps = 1, cut = 0.1 }
canvas = { type = "grid", tile = 16, overlap = 8, strokes = 1 }
objective.look = { type = "pixel" }
output = { scale = 1, formats = ["png"] }
"""
"""A pan of 4 frames and, after a cut, one of 3."""

RECIPES = {
    "film": FILM,
    "paint": PAINTING,
    "long": LONG,
    "windows": WINDOWS,
    "outputs": OUTPUTS,
    "agent": AGENT,
    "train": TRAINER,
}
RUN = ["run", "{}/{}.toml", "--out", "out", "--resume"]
EXPORTED = ["out/a.png", "out/a.tif", "out/a.dzi", "out/a.ora", "out/a.svg", "out/a.gif", "out/a.json"]
COMMANDS: dict[str, list[str]] = {
    "film": RUN,
    "paint": RUN,
    "long": RUN,
    "windows": RUN,
    "outputs": RUN,
    "agent": RUN,
    "train": RUN,
    "export": ["export", "{}/paint/out", *EXPORTED, "--scale", "2"],
    "sweep": ["sweep", "{}/paint.toml", "--seeds", "2", "--workers", "1", "--out", "out", "--resume"],
}
_CLEANING_SECONDS = 10.0  # in which a process of its own removes what a killed export has left
_NOT_COMPARED = ("checkpoint.safetensors", "report.html", "index.html")
"""Files that contain times, or are checked by what the next run makes of them."""


class Commands:
    """Commands that write into the folder ``out`` of the folder in which they are executed.

    expected, seconds, operations: by name, the results, the duration and the number of file operations of an
    undisturbed execution.
    """

    ALL = tuple(COMMANDS)

    def __init__(self, folder: Path, names: Sequence[str] = ALL) -> None:
        """Write recipes into an empty folder, and execute each command undisturbed in a subfolder of its name."""
        from PIL import Image

        self.folder, self.names = folder.absolute(), tuple(names)
        warm_up(folder)
        (folder / "images").mkdir()
        for number in range(4):
            Image.linear_gradient("L").resize((32, 32)).rotate(90 * number).save(folder / "images" / f"{number}.png")
        _write_frames(folder / "frames")
        for name, text in RECIPES.items():
            (folder / f"{name}.toml").write_text(text)
        self.seconds: dict[str, float] = {}
        self.operations: dict[str, int] = {}
        for name in self.names:
            self._measure(name)
        self.expected = {name: self.results(folder / name / "out") for name in self.names}

    def _measure(self, name: str) -> None:
        place, counter = self.folder / name, self.folder / f"{name}.operations"
        place.mkdir()
        self.finish(name, place)  # the first one compiles kernels
        for setup in (None, lambda: _count_operations(counter)):
            shutil.rmtree(place / "out", ignore_errors=name != "paint")
            began = time.monotonic()
            self.finish(name, place, setup)
            self.seconds.setdefault(name, time.monotonic() - began)
        self.operations[name] = int(counter.read_text())

    def arguments(self, name: str) -> list[str]:
        """Return the command line of a command."""
        return [argument.format(self.folder, name) for argument in COMMANDS[name]]

    def finish(self, name: str, place: Path, setup: Callable[[], object] | None = None) -> None:
        """Execute a command to its end. Raises Fault if it fails."""
        (place / "out").mkdir(exist_ok=True)
        command = run(self.arguments(name), place, setup)
        if command.status != 0:
            raise Fault(f"{name}: exit status {command.status}: {command.text()[-300:]}")

    def results(self, folder: Path) -> dict[str, Any]:
        """Return all that must not depend on kills, by file."""
        results: dict[str, Any] = {}
        for file in sorted(folder.rglob("*")):
            name = str(file.relative_to(folder))
            if file.suffix == ".jsonl":
                results[name] = [_without_times(json.loads(line)) for line in file.read_text().splitlines()]
            elif file.is_file():
                results[name] = None if file.name in _NOT_COMPARED else _bytes(file)
        return results


def _write_frames(folder: Path) -> None:
    """Write a clip: a pan of 4 frames and, after a cut, one of 3."""
    from PIL import Image, ImageOps

    folder.mkdir()
    wide = Image.radial_gradient("L").resize((96, 64)).convert("RGB")
    for number in range(7):
        frame = wide.crop((2 * number, 8, 2 * number + 48, 40))
        (frame if number < 4 else ImageOps.invert(frame)).save(folder / f"{number}.png")


def _count_operations(file: Path) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    on_file_operation(lambda number, _: os.pwrite(descriptor, str(number).encode(), 0) and None)


def wait_for_cleaning(folder: Path) -> None:
    """Wait until what a killed export has left is removed."""
    end = time.monotonic() + _CLEANING_SECONDS
    while any(folder.glob(".artkit-*/")) and time.monotonic() < end:
        time.sleep(0.01)


def _bytes(file: Path) -> bytes:
    """Return the contents of a file without the times in it."""
    if file.suffix != ".ora":
        return file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if key != "seconds"}
    return value


def differences(expected: Mapping[str, Any], results: Mapping[str, Any]) -> list[str]:
    """Return the names of the files that are not the same, or missing."""
    return sorted(name for name in expected.keys() | results.keys() if expected.get(name, "") != results.get(name, ""))


def check_readable(name: str, folder: Path) -> None:
    """Raise Fault if a file in the folder of a command that was disturbed is damaged."""
    from artkit.errors import ArtkitError

    wait_for_cleaning(folder)
    for file in folder.rglob("*"):
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts):
            try:
                _read(file)
            except (ArtkitError, ValueError, OSError, SyntaxError) as error:
                raise Fault(f"{name}: {file.name} is not readable: {type(error).__name__}: {error}") from None


def _read(file: Path) -> None:
    from PIL import Image

    from artkit.engine import checkpoint
    from artkit.imaging.video_file import VideoClip
    from artkit.strokes.stroke_log import StrokeLog

    readers: dict[str, Callable[[Path], object]] = {
        "recipe.toml": lambda file: tomllib.loads(file.read_text()),
        "strokes.json": StrokeLog.load,
        "a.json": lambda file: json.loads(file.read_text()),
        "sweep.jsonl": lambda file: [json.loads(line) for line in file.read_text().splitlines()],
        "checkpoint.safetensors": checkpoint.load,
        "film.json": _read_film,
        "painting.mp4": lambda file: next(VideoClip(file).frames()),
    }
    if file.suffix in (".png", ".jpg", ".gif", ".tif"):
        with Image.open(file) as image:
            image.load()
    elif file.name in readers:
        readers[file.name](file)


def _read_film(file: Path) -> None:
    from artkit.strokes.film_log import FilmLog

    film = FilmLog.load(file.parent)
    for number in range(film.frames):
        film.frame(number)
