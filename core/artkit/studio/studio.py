"""What the page can do: list, watch, start, stop and delete runs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import FiniteFloat

from artkit.engine.live_view import LIVE_FOLDER
from artkit.errors import ArtkitError, UsageError
from artkit.files import write_text
from artkit.imaging.pixels import Pixels
from artkit.recipes.recipe import RECORD, Tree
from artkit.studio.exporting import EXPORTS, export_formats, export_process, start_export
from artkit.studio.folder import StudioFolder, regular_files
from artkit.studio.painting_form import PaintingForm
from artkit.studio.pictures import encode_jpeg
from artkit.studio.processes import Process, RunProcess
from artkit.studio.recipes import StudioRecipes, paints, to_toml
from artkit.studio.replay import frame_file, read_index
from artkit.studio.runs import START_FILE, RunReader
from artkit.studio.steering import steered
from artkit.studio.stored_files import StoredFiles
from artkit.studio.targets import Targets
from artkit.studio.watching import Watcher

_MAX_THUMBNAIL_SIDE = 2048  # px
_MAX_TARGET_SIDE = 4096  # px


class Studio:
    """The runs of a folder, as the page deals with them. All methods raise ArtkitError for what is not possible."""

    def __init__(self, folder: StudioFolder) -> None:
        self.folder = folder
        self.watcher = Watcher(folder)
        self.recipes = StudioRecipes(folder)
        self.form = PaintingForm(folder, self.recipes)
        self.stored = StoredFiles(folder, self.watcher, self.recipes)
        self._targets = Targets()

    def list_runs(self) -> dict[str, Any]:
        """Return the runs of the folder, the last one first."""
        runs = []
        for name in self.folder.runs():
            try:
                runs.append(self.watcher.reader(name).summary())
            except (OSError, UsageError):  # deleted meanwhile
                continue
        return {"folder": str(self.folder.path), "runs": sorted(runs, key=lambda run: -run["modified"])}

    def run_details(self, name: str) -> dict[str, Any]:
        """Return everything about a run but its picture."""
        reader = self.watcher.reader(name)
        summary = reader.summary()
        recipe = reader.recipe()
        key, picture, live, problem = self.watcher.shown(reader)
        return {
            **summary,
            **self.watcher.state(reader, live),
            "shape": picture.shape(key) if picture else None,
            "picture_error": problem,
            "recipe": recipe,
            "toml": to_toml(recipe),
            "changes": reader.log.changes,
            "has_target": reader.target() is not None,
            "files": self._files(reader),
        }

    def _files(self, reader: RunReader) -> list[dict[str, Any]]:
        """Return the files of a run that can be downloaded."""
        files = [*regular_files(reader.folder), *regular_files(reader.folder / EXPORTS)]
        return [
            {"path": file.relative_to(self.folder.path).as_posix(), "bytes": status.st_size} for file, status in files
        ]

    def start_run(self, toml: str, name: str = "painting") -> dict[str, Any]:
        """Start a run of a recipe in a folder of its own. Returns its name, or the errors of the recipe by field."""
        tree = self.recipes.parse(toml)
        if errors := self.recipes.check(tree, name):
            return {"errors": errors}
        path = self.folder.new_run(name)
        try:
            self.launch(path, self.recipes.absolute(tree))
        except ArtkitError:
            shutil.rmtree(path, ignore_errors=True)
            raise
        return {"name": path.name}

    def launch(self, path: Path, tree: Tree) -> None:
        """Start the process of a run with a recipe, or let it go on with a changed one."""
        file = path / LIVE_FOLDER / START_FILE
        write_text(file, to_toml(tree))
        process = RunProcess(path)
        process.watch()
        process.start(["artkit", "run", str(file), "--out", str(path), "--resume"], self.folder.path)

    def run_recipe(self, name: str) -> dict[str, Any]:
        """Return the recipe of a run for a new painting, with what it paints."""
        tree = {key: value for key, value in self.watcher.reader(name).recipe().items() if key != RECORD}
        return {**self.form.described(self.recipes.tidy(tree)), "paints": paints(tree)}

    def stop_run(self, name: str) -> dict[str, Any]:
        """Let a run stop after its current step."""
        reader = self.watcher.reader(name)
        if reader.state() not in ("running", "starting"):
            raise UsageError(f"{name} is not being painted")
        reader.process.request_stop()
        return {"state": reader.state()}

    def steer_run(
        self,
        name: str,
        steps: int | None = None,
        lr: float | None = None,
        weights: dict[str, float] | None = None,
        weight_images: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Stop a run, change its settings from the step on that it has reached, and let it go on.

        Returns the errors of the changed recipe, by field, if there are any; then nothing has changed.
        """
        reader = self.watcher.reader(name)
        changes = (steps, lr, weights, weight_images)
        preview = steered(reader.recipe(), reader.folder, self.recipes.base, *changes)
        if errors := self._errors_of_changes(preview):
            return {"errors": errors}
        self.wait_until_stopped(name)
        tree = steered(reader.recipe(), reader.folder, self.recipes.base, *changes)
        self.launch(reader.folder, self.recipes.absolute(tree))
        return {"state": reader.state()}

    def _errors_of_changes(self, tree: Tree) -> list[dict[str, str]]:
        """Return the errors of a changed recipe. A run may name files elsewhere, what the page adds may not."""
        added = {"changes": tree.get("changes", [])[-1:]}
        return self.recipes.forbidden(added) or self.recipes.errors(tree)

    def wait_until_stopped(self, name: str, seconds: float = 60.0) -> None:
        """Stop a run and wait for the end of its process. Raises ArtkitError if that takes longer."""
        reader, deadline = self.watcher.reader(name), time.monotonic() + seconds
        while reader.state() in ("running", "starting"):
            if not (reader.live / "stop").exists():
                reader.process.request_stop()
            if time.monotonic() > deadline:
                raise ArtkitError(f"{name} has not stopped yet", hint="try again after its current step")
            time.sleep(0.05)

    def formats(self) -> dict[str, Any]:
        """Return the formats that a run can be exported to."""
        return {"formats": export_formats()}

    def start_export(
        self,
        name: str,
        format: str,
        size: str | None = None,
        fill: bool = False,
        dpi: float | None = None,
        seconds: float | None = None,
        frame: int | None = None,
        file: str = "",
    ) -> dict[str, Any]:
        """Export a run to a file in its folder `exports`; see `artkit.studio.exporting`."""
        reader = self.watcher.reader(name)
        exported = start_export(reader.folder, format, size, fill, dpi, seconds, frame, file)
        return {"path": exported.relative_to(self.folder.path).as_posix()}

    def export_state(self, name: str) -> dict[str, Any]:
        """Return whether a run is being exported, and the error of the last export."""
        process = export_process(self.watcher.reader(name).folder)
        return {"running": process.alive(), "error": process.error(), "notes": process.notes()}

    def delete_run(self, name: str) -> dict[str, Any]:
        """Move a run into the trash."""
        return {"trashed": self.folder.delete(name)}

    def tile(self, name: str, level: int, column: int, row: int, key: str = "") -> bytes:
        """Return a tile of the current picture as a JPEG."""
        found, picture, _ = self.watcher.picture(name)
        if picture is None or (key and key != found):
            raise UsageError("this picture is there no more")
        return encode_jpeg(picture.pixels(level, column, row))

    def thumbnail(self, name: str, side: str = "512") -> bytes:
        """Return the current picture with a longer side of at most `side` px as a JPEG."""
        length = _side(side, _MAX_THUMBNAIL_SIDE)
        reader = self.watcher.reader(name)
        file = reader.thumbnail_file()
        if file is None or reader.state() in ("running", "starting"):
            _, picture, _ = self.watcher.picture(name)
            if picture is None:
                raise UsageError(f"{name} has no picture yet")
            return _shrunk(Image.fromarray(picture.thumbnail(length)), length)
        try:
            with Image.open(file) as opened:
                return _shrunk(opened.convert("RGB"), length)
        except (OSError, ValueError) as error:
            raise UsageError(f"{file.name} cannot be read: {error}") from None

    def start_replay(self, name: str) -> dict[str, Any]:
        """Render the strokes of a run one after the other, unless that has been done. Returns what there is."""
        reader = self.watcher.reader(name)
        process = Process(reader.live, "replay")
        found = read_index(reader.folder)
        if not process.alive() and (found is None or found["count"] != len(found["strokes"])):
            process.start(["artkit.studio.replay", str(reader.folder)], self.folder.path)
        return self.replay(name)

    def replay(self, name: str) -> dict[str, Any]:
        """Return how many frames of the replay there will be, and the number of strokes of each that is there."""
        reader = self.watcher.reader(name)
        process = Process(reader.live, "replay")
        index = read_index(reader.folder) or {"count": 0, "strokes": []}
        return {**index, "running": process.alive(), "error": process.error()}

    def replay_frame(self, name: str, frame: int) -> bytes:
        """Return a frame of the replay as a JPEG."""
        try:
            return frame_file(self.watcher.reader(name).folder, frame).read_bytes()
        except OSError:
            raise UsageError("there is no such frame") from None

    def target(
        self, name: str, side: str = "2048", frame: int | None = None, seconds: FiniteFloat | None = None
    ) -> bytes:
        """Return the image that a run paints, in the shape of its picture, as a JPEG.

        Of a film it is the frame of the clip with a number, from 1, or at a time of the film, s.
        """
        return self._targets.jpeg(self.watcher.reader(name), _side(side, _MAX_TARGET_SIDE), frame, seconds)


def _side(text: str, most: int) -> int:
    """Return the longer side of a picture in px. Raises UsageError if it is no number of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise UsageError("the side of a picture must be a number of px")
    return min(int(text), most)


def _shrunk(image: Image.Image, side: int) -> bytes:
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return encode_jpeg(_pixels(image), 88)


def _pixels(image: Image.Image) -> Pixels:
    import numpy as np

    return np.asarray(image)
