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
from artkit.errors import ArtkitError, UsageError
from artkit.files import cannot_write, remove_leftovers, write_text
from artkit.recipes.reading import read_recipe
from artkit.recipes.recipe import RECORD

CHECKPOINT_FILE = "checkpoint.safetensors"
LOG_FILE = "log.jsonl"
RECIPE_FILE = "recipe.toml"

_OTHER_FOLDER = "choose another folder with --out"


class RunFolder:
    """The recipe, log and checkpoint of a run in its folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe, self.log, self.checkpoint = path / RECIPE_FILE, path / LOG_FILE, path / CHECKPOINT_FILE

    def claim(self, recipe: dict[str, Any], steps: int, resume: bool) -> None:
        """Create the folder, or take over an existing one, and write the run's recipe.

        recipe: with its record. steps: of the whole run. resume: whether to keep the checkpoint.

        Raises UsageError if the folder contains anything but a run of the same recipe, or, without `resume`, an
        unfinished run; ArtkitError if it is not writable.
        """
        encoded = tomli_w.dumps(recipe)
        self._create()
        remove_leftovers(self.path)
        if self.recipe.exists():
            self._check_same_recipe(tomllib.loads(encoded))
            if not resume and (step := self._saved_step()) and step < steps:
                raise UsageError(
                    f"{self.path} contains an unfinished run of this recipe, at step {step} of {steps}",
                    hint="add --resume to continue it, or choose another folder with --out",
                )
        elif any(self.path.iterdir()):
            raise UsageError(f"{self.path} is not empty and contains no run", hint=_OTHER_FOLDER)
        if not resume:
            self.checkpoint.unlink(missing_ok=True)
        write_text(self.recipe, encoded)

    def _create(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise cannot_write(self.recipe, error) from None

    def _check_same_recipe(self, recipe: dict[str, Any]) -> None:
        try:
            existing = tomllib.loads(self.recipe.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.recipe} is damaged: {error}", hint=_OTHER_FOLDER) from None
        if not isinstance(existing.get(RECORD, {}), dict):
            raise UsageError(f"{self.recipe} is damaged: {RECORD} is not a table", hint=_OTHER_FOLDER)
        if differences := sorted(_differing_keys(_with_defaults(existing, self.recipe), recipe)):
            raise UsageError(
                f"{self.path} contains a run of another recipe; different: {', '.join(differences[:5])}",
                hint=_OTHER_FOLDER,
            )

    def _saved_step(self) -> int:
        """Return the number of executed steps; 0 if there is no checkpoint, or a damaged one, to resume from."""
        try:
            return int(checkpoint.load(self.checkpoint)["step"]) if self.checkpoint.exists() else 0
        except (ArtkitError, KeyError, TypeError, ValueError):
            return 0

    @contextlib.contextmanager
    def open_log(self, step: int) -> Iterator[Callable[[dict[str, Any]], None]]:
        """Open the log at `step` and yield a function that appends a line; lines of later steps are removed.

        The function raises ArtkitError if the disk is full.
        """
        lines = []
        if step and self.log.exists():
            for line in self.log.read_text(encoding="utf-8").splitlines(keepends=True):
                with contextlib.suppress(ValueError):
                    if line.endswith("\n") and json.loads(line)["step"] < step:
                        lines.append(line)
        write_text(self.log, "".join(lines))
        stream = self.log.open("a", encoding="utf-8")

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


def _with_defaults(existing: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return the recipe of a run with the defaults of settings that its version of artkit did not have."""
    try:
        return {**read_recipe([file]).resolved(), RECORD: existing.get(RECORD, {})}
    except UsageError:  # a file that it names has changed, for example; then it is compared as it is
        return existing


def _differing_keys(old: Any, new: Any, key: str = "") -> Iterator[str]:
    """Yield the keys in which two recipes differ. Of their records only the checksums count; the device does not."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old.keys() | new.keys():
            if not key and name == RECORD:
                yield from _differing_keys(
                    old.get(RECORD, {}).get("sha256"), new.get(RECORD, {}).get("sha256"), "sha256"
                )
            elif not key and name == "device":
                continue
            else:
                yield from _differing_keys(old.get(name), new.get(name), f"{key}.{name}" if key else name)
    elif old != new:
        yield key
