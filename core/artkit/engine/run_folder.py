"""The folder of a run: its recipe, log and checkpoint.

The folder is consistent at any time, even if the process is killed: files are replaced atomically, and a log longer
than the checkpoint is cut back when the run resumes.
"""

from __future__ import annotations

import contextlib
import json
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tomli_w

from artkit.engine import checkpoint
from artkit.engine.changes import final_steps, made_changes
from artkit.engine.earlier_picture import keep_earlier
from artkit.errors import UsageError
from artkit.files import cannot_write, read_text, remove_leftovers, write_text
from artkit.formatting import counted
from artkit.recipes.reading import read_recipe
from artkit.recipes.recipe import RECIPE_FILE as RECIPE_FILE
from artkit.recipes.recipe import RECORD, WITHOUT_EFFECT
from artkit.strokes.film_log import FRAMES_FOLDER

CHECKPOINT_FILE = "checkpoint.safetensors"
LOG_FILE = "log.jsonl"

_OTHER_FOLDER = "choose another folder with --out"


class RunFolder:
    """The recipe, log and checkpoint of a run in its folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe, self.log, self.checkpoint = path / RECIPE_FILE, path / LOG_FILE, path / CHECKPOINT_FILE

    def claim(self, recipe: dict[str, Any], resume: bool) -> int:
        """Create the folder, or take over an existing one, and write the run's recipe.

        recipe: with its record; with `resume`, its `steps` may differ from those of the run. resume: whether to keep
        the checkpoint. Returns the `steps` of the recipe that the folder had; those of `recipe` if it had none. A
        finished picture that the run will replace is kept in a subfolder.

        Raises UsageError if the folder contains anything but a run of the same recipe, or, without `resume`, an
        unfinished run; ArtkitError if it is not writable.
        """
        encoded = tomli_w.dumps(recipe)
        self._create()
        for folder in (self.path, self.path / FRAMES_FOLDER):
            remove_leftovers(folder)
        earlier_steps = int(recipe["steps"])
        if self.recipe.exists():
            earlier_steps = self._check_same_recipe(tomllib.loads(encoded), resume)
        elif any(not file.name.startswith(".") for file in self.path.iterdir()):
            raise UsageError(f"{self.path} has other files in it, and no run", hint=_OTHER_FOLDER)
        if not resume or not self.checkpoint.exists():
            keep_earlier(self.path, copied=(self.recipe, self.log), left=(self.checkpoint,))
            try:
                self.checkpoint.unlink(missing_ok=True)
            except OSError as error:
                raise cannot_write(self.checkpoint, error) from None
        write_text(self.recipe, encoded)
        return earlier_steps

    def _create(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise cannot_write(self.recipe, error) from None

    def _check_same_recipe(self, recipe: dict[str, Any], resume: bool) -> int:
        """Return the `steps` of the run in the folder. Raises UsageError unless `recipe` may continue or replace it."""
        saved_recipe = self._read_recipe()
        saved, windows, first_steps, frames = checkpoint.saved_step(self.checkpoint)
        differences = self.differences(recipe, saved_recipe)
        made, resumed = (made_changes(tree, saved - first_steps, windows) for tree in (saved_recipe, recipe))
        if made == resumed:  # the others are still to come
            differences = [key for key in differences if not key.startswith(("changes", "sha256.changes"))]
        if [key for key in differences if key != "steps" or frames]:
            raise UsageError(
                f"the run in {self.path} was made with other settings: {', '.join(differences[:5])}",
                hint=_OTHER_FOLDER,
            )
        earlier, new = final_steps(saved_recipe), final_steps(recipe)
        if "steps" in differences and new != recipe["steps"]:
            raise UsageError(
                f"the recipe of the run in {self.path} changes its number of steps",
                hint="add another table [[changes]] with steps, instead of setting steps",
            )
        steps = frames or first_steps + new * windows  # of the whole run, which keeps its windows
        if differences and not resume:
            raise UsageError(
                f"the run in {self.path} has {counted(earlier, 'step')}, not {new}",
                hint=f"to go on to {counted(new, 'step')} add --resume; for a new picture set another folder by --out"
                if new > earlier
                else _OTHER_FOLDER,
            )
        if resume and saved > steps:
            raise UsageError(
                f"the run in {self.path} has already done {counted(saved, 'step')}, more than {steps}",
                hint=f"to finish it add --set steps={earlier}; for more steps set a larger number",
            )
        if not resume and 0 < saved < steps:
            raise UsageError(
                f"the run in {self.path} was stopped at step {saved} of {steps}",
                hint="add --resume to continue it, or choose another folder with --out for a new picture",
            )
        return int(saved_recipe["steps"])

    def _read_recipe(self) -> dict[str, Any]:
        """Return the recipe of the run, with the defaults of settings that its version of artkit did not have."""
        try:
            existing = tomllib.loads(read_text(self.recipe))
        except (OSError, ValueError, RecursionError) as error:
            raise UsageError(f"{self.recipe} is damaged: {error}", hint=_OTHER_FOLDER) from None
        if not isinstance(existing.get(RECORD, {}), dict):
            raise UsageError(f"{self.recipe} is damaged: {RECORD} is not a table", hint=_OTHER_FOLDER)
        try:
            return {**read_recipe([self.recipe]).resolved(), RECORD: existing.get(RECORD, {})}
        except UsageError:  # a file that it names has changed, for example; then it is compared as it is
            if not isinstance(existing.get("steps"), int):
                raise UsageError(f"{self.recipe} is damaged: it has no number of steps", hint=_OTHER_FOLDER) from None
            return existing

    def differences(self, recipe: dict[str, Any], saved: dict[str, Any] | None = None) -> list[str]:
        """Return the sorted keys in which a recipe with its record differs from that of the run.

        saved: the recipe of the run, if it has been read. Raises UsageError if it is damaged or missing.
        """
        return sorted(_differing_keys(self._read_recipe() if saved is None else saved, recipe))

    @contextlib.contextmanager
    def open_log(self, step: int, steps: int) -> Iterator[Callable[[dict[str, Any]], None]]:
        """Open the log at `step` and yield a function that appends a line; lines of later steps are removed.

        steps: of the whole run. If it had fewer steps before, the evaluation of their result is removed too. The
        function raises ArtkitError if the disk is full.
        """
        lines = []
        if step and self.log.exists():
            for line in self.log.read_text(encoding="utf-8").splitlines(keepends=True):
                with contextlib.suppress(ValueError):
                    if line.endswith("\n") and (entry := json.loads(line))["step"] < step:
                        if entry["step"] + 1 < steps and entry.pop("verdicts", None):
                            line = json.dumps(entry) + "\n"
                        lines.append(line)
        write_text(self.log, "".join(lines))
        try:
            stream = self.log.open("a", encoding="utf-8")
        except OSError as error:
            raise cannot_write(self.log, error) from None

        def append(line: dict[str, Any]) -> None:
            try:
                stream.write(json.dumps(line) + "\n")
                stream.flush()
            except OSError as error:
                raise cannot_write(self.log, error) from None

        try:
            yield append
        finally:
            with contextlib.suppress(OSError):  # `append` has raised it already
                stream.close()


def _differing_keys(old: Any, new: Any, key: str = "") -> Iterator[str]:
    """Yield the keys in which two recipes differ, except `WITHOUT_EFFECT`. Of their records only checksums count."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old.keys() | new.keys():
            if not key and name == RECORD:
                yield from _differing_keys(
                    old.get(RECORD, {}).get("sha256"), new.get(RECORD, {}).get("sha256"), "sha256"
                )
            elif not key and name in WITHOUT_EFFECT:
                continue
            else:
                yield from _differing_keys(old.get(name), new.get(name), f"{key}.{name}" if key else name)
    elif old != new:
        yield key
