"""The state of runs, read from the files in their folders."""

from __future__ import annotations

import contextlib
import json
import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from PIL import Image
from pydantic import ValidationError

from artkit.engine import checkpoint
from artkit.engine.live_view import LIVE_FOLDER, read_state
from artkit.engine.painting_task import PREVIEW_FILE
from artkit.engine.run_folder import CHECKPOINT_FILE, LOG_FILE, RECIPE_FILE
from artkit.files import read_text
from artkit.folder_lock import FolderLock
from artkit.imaging.loading import Fit
from artkit.output import film_preview
from artkit.output.finished_picture import PAINTING_FILE
from artkit.recipes.recipe import LOG_KEYS, FilmConfig
from artkit.strokes.stroke_log import STROKES_FILE
from artkit.studio.folder import modified_ns
from artkit.studio.processes import RunProcess

State = Literal["starting", "running", "finished", "stopped", "failed"]

START_FILE = "start.toml"
"""Recipe with which a run was started, in its folder `.live`."""
MAX_POINTS = 1200
"""The most points of a loss curve that are sent."""

_MAX_DIRECT_PIXELS = 1 << 25  # a larger picture is shown by its preview in the gallery


@dataclass
class RunLog:
    """The lines of a run's log, read as they are appended."""

    file: Path
    steps: list[int] = field(default_factory=list)
    losses: dict[str, list[float | None]] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    _offset: int = 0
    _inode: int = 0

    def read(self) -> None:
        """Read the lines that were appended; all of them if the log was cut back."""
        try:
            with self.file.open("rb") as stream:
                status = self.file.stat()
                if status.st_ino != self._inode or status.st_size < self._offset:
                    self.steps, self.losses, self.changes, self.seconds = [], {}, [], 0.0
                    self._inode, self._offset = status.st_ino, 0
                stream.seek(self._offset)
                content = stream.read()
        except OSError:
            return
        complete = content[: content.rfind(b"\n") + 1]
        self._offset += len(complete)
        for line in complete.splitlines():
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
                self._append(json.loads(line))

    def _append(self, line: dict[str, Any]) -> None:
        self.steps.append(int(line["step"]))
        self.seconds += float(line.get("seconds", 0.0))
        if changes := line.get("changes"):
            self.changes.append({"step": line["step"], **changes})
        values = {key: value for key, value in line.items() if key == "loss" or key not in LOG_KEYS}
        for name in values.keys() - self.losses.keys():
            self.losses[name] = [None] * (len(self.steps) - 1)
        for name, series in self.losses.items():
            value = values.get(name)
            series.append(float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None)

    def points(self, since: int = 0) -> dict[str, Any]:
        """Return the losses from an index on, by name, with their steps; every n-th if there are too many."""
        stride = max(1, -(-(len(self.steps) - since) // MAX_POINTS))
        picked = list(range(since, len(self.steps), stride))
        if picked and picked[-1] != len(self.steps) - 1:
            picked.append(len(self.steps) - 1)
        return {
            "steps": [self.steps[index] for index in picked],
            "losses": {name: [series[index] for index in picked] for name, series in self.losses.items()},
            "count": len(self.steps),
        }


class Target(NamedTuple):
    """What a run paints: an image, or a clip that is painted as a film."""

    file: Path
    fit: Fit


class RunReader:
    """Reads one run of a studio. Values that are expensive to read are cached until their files change."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.live = folder / LIVE_FOLDER
        self.log = RunLog(folder / LOG_FILE)
        self.process = RunProcess(folder)
        self._cache: dict[str, tuple[Any, Any]] = {}

    def recipe(self) -> dict[str, Any]:
        """Return the recipe of the run as a tree; empty if it cannot be read."""
        own, start = self.folder / RECIPE_FILE, self.live / START_FILE
        file = own if own.is_file() else start
        return dict(self._cached("recipe", file, lambda: tomllib.loads(read_text(file))) or {})

    def summary(self) -> dict[str, Any]:
        """Return what the gallery shows of the run."""
        self.log.read()
        recipe, state = self.recipe(), self.state()
        step, steps = self.progress()
        losses = {name: values[-1] for name, values in self.log.losses.items() if values}
        picture = self.picture_file()
        return {
            "name": self.name,
            "state": state,
            "step": step,
            "steps": steps,
            "loss": losses.get("loss", next(iter(losses.values()), None)),
            "seconds": round(self.log.seconds, 1),
            "modified": self._modified(),
            "size": recipe.get("size"),
            "brush": _table(recipe, "renderer").get("brush") or _table(recipe, "renderer").get("type"),
            "words": " ".join(sorted(_words(recipe))),
            "picture": self.picture_version(),
            "is_film": self.is_film(),
            "pixels": self._pixels(picture) if picture else None,
        }

    def state(self) -> State:
        """Return what the run is doing."""
        if FolderLock(self.folder).is_held():
            return "running"
        done = self._finished()
        if self.process.alive():  # before it has locked the folder, or after: it writes the report, or has been stopped
            painted = modified_ns(self.log.file) > modified_ns(self.live / START_FILE)
            return "running" if done or painted else "starting"
        if done:
            return "finished"
        return "failed" if self.process.failed() else "stopped"

    def _finished(self) -> bool:
        saved, total = self._saved_progress()
        return 0 < total <= saved

    def progress(self) -> tuple[int, int]:
        """Return the numbers of executed steps and of all steps."""
        saved, total = self._saved_progress()
        live = read_state(self.live)
        steps = live.steps if live and live.step and live.steps >= total else total
        return (self.log.steps[-1] + 1 if self.log.steps else saved), steps

    def _saved_progress(self) -> tuple[int, int]:
        file = self.folder / CHECKPOINT_FILE
        saved_step = self._cached("saved", file, lambda: checkpoint.saved_step(file)) or checkpoint.SavedStep()
        saved, windows, first_steps, frames = saved_step
        if frames:
            return saved, frames
        recipe = self.recipe()
        steps = recipe.get("steps", 0)
        changed = [change.get("steps") for change in recipe.get("changes", []) if isinstance(change, dict)]
        steps = next((value for value in reversed(changed) if value), steps)
        return saved, first_steps + (steps if isinstance(steps, int) else 0) * windows

    def picture_file(self) -> Path | None:
        """Return the file of the picture that the run has saved last; None if there is none."""
        painting, preview = self.folder / PAINTING_FILE, self.folder / PREVIEW_FILE
        if self._finished() and painting.is_file():
            return painting  # the preview of a large one is written after it
        found = [file for file in (painting, preview) if file.is_file()]
        if not found:
            found = sorted(self.folder.glob("[!.]*.png"))[:1]  # none that is being written
        return max(found, key=lambda file: (modified_ns(file), file.name), default=None)

    def thumbnail_file(self) -> Path | None:
        """Return a picture of the run that is decoded quickly."""
        picture, preview = self.picture_file(), self.folder / PREVIEW_FILE
        size = self._pixels(picture) if picture else None
        if size and size[0] * size[1] > _MAX_DIRECT_PIXELS and preview.is_file():
            return preview
        return picture

    def picture_version(self) -> int:
        """Return a number that changes with the picture; 0 if there is none."""
        files = [self.picture_file(), self.live / "versions.u32"]
        return max(modified_ns(file) for file in files if file) // 1_000_000

    def is_film(self) -> bool:
        """Return whether the run paints a film."""
        return "film" in self.recipe()

    def film_file(self) -> Path | None:
        """Return the finished film or, until then, its preview; None if there is none."""
        file = self.folder / (film_preview.FILM_VIDEO_FILE if self._finished() else film_preview.PREVIEW_FILE)
        return file if self.is_film() and file.is_file() else None

    def replayable(self) -> bool:
        """Return whether the strokes of the run can be replayed."""
        return (self.folder / STROKES_FILE).is_file()

    def film(self) -> FilmConfig | None:
        """Return the settings of the film that the run paints; None if it paints none, or they are damaged."""
        with contextlib.suppress(ValidationError):
            return FilmConfig.model_validate(self.recipe().get("film"))
        return None

    def size(self) -> tuple[int, int] | None:
        """Return the size at which the run paints, px; None if it has not been computed yet."""
        size = self.recipe().get("size")
        if isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) and side > 0 for side in size):
            return size[0], size[1]
        return None

    def target(self) -> Target | None:
        """Return what the run paints; None if nothing."""
        film = self.film()
        for objective in _table(self.recipe(), "objective").values():
            if isinstance(objective, dict) and isinstance(objective.get("target"), str):
                file = film.clip if film else Path(objective["target"])
                return Target(file, next((fit for fit in get_args(Fit) if fit == objective.get("fit")), "cover"))
        return None

    def _modified(self) -> float:
        files = [self.folder / LOG_FILE, self.folder / RECIPE_FILE, self.folder]
        return max(map(modified_ns, files)) / 1e9

    def _pixels(self, file: Path) -> tuple[int, int] | None:
        def read() -> tuple[int, int]:
            with Image.open(file) as opened:
                return opened.size

        with contextlib.suppress(OSError, ValueError):
            size: tuple[int, int] | None = self._cached("pixels", file, read)
            return size
        return None

    def _cached(self, key: str, file: Path, read: Any) -> Any:
        """Return what `read` returns, or what it returned for the file as it is; None if the file cannot be read."""
        try:
            status = file.stat()
            mark = (file, status.st_ino, status.st_mtime_ns, status.st_size)
            if self._cache.get(key, (None, None))[0] != mark:
                self._cache[key] = (mark, read())
        except (OSError, ValueError, RecursionError):
            return None
        return self._cache[key][1]


def _table(tree: dict[str, Any], key: str) -> dict[str, Any]:
    value = tree.get(key)
    return value if isinstance(value, dict) else {}


def _words(tree: Any) -> Iterator[str]:
    """Yield the texts in a recipe, for the search; of paths only the names."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key != "record":
                yield from _words(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _words(value)
    elif isinstance(tree, str):
        yield tree.rsplit("/", 1)[-1]
