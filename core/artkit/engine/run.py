"""Runs: the folder that a recipe's painting or training lives in, and the loop that drives either.

A run can be killed at any moment and go on: what is in its folder is always whole, and going on gives what it
would have become without the interruption.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w
from PIL import Image

from artkit.engine import checkpoint
from artkit.engine.task import Diverged, Interrupted, Task
from artkit.errors import ArtkitError, UsageError
from artkit.files import cannot_write, remove_leftovers, write_text
from artkit.output import report
from artkit.recipes.provenance import provenance_record
from artkit.recipes.recipe import RECORD, Recipe
from artkit.registry.plugin_registry import get_registry

SHOWN = 1024
"""The longer side, in px, of the picture that a notebook shows of a run."""


CHECKPOINT = "checkpoint.safetensors"


LOG = "log.jsonl"


RECIPE = "recipe.toml"


SECONDS_BETWEEN_CHECKPOINTS = 10.0


_SLOW = 0.5  # seconds; what takes longer to save is saved less often


class Progress(NamedTuple):
    """How far a run is: `step` of `steps` are done; the losses of the last one by name."""

    step: int
    steps: int
    losses: dict[str, float]


@dataclass(repr=False)
class Run:
    """A run in its folder.

    To iterate over it does the steps that are left, one at a time, and tells how far it is after each. An iteration
    that is left saves, and the next one goes on. A notebook shows a run as its picture.

    progress: called after each step with the number of steps done and the losses.
    """

    folder: Path
    recipe: Recipe
    task: Task
    resume: bool = False
    progress: Callable[[int, dict[str, float]], None] | None = None
    first_step: int = 0
    """The step at which this process began."""
    step: int = 0
    """How many steps are done."""
    losses: dict[str, float] = field(default_factory=dict)
    outputs: list[Path] = field(default_factory=list)
    _begun: bool = field(default=False, init=False)
    _broken: bool = field(default=False, init=False)
    _asked: threading.Event | None = field(default=None, init=False)

    def execute(self) -> Run:
        """Do all steps that are left, and write the results; the run itself.

        Raises Interrupted after Ctrl-C, Diverged when the loss stops being a number; in both cases what there is has
        been saved.
        """
        self._begin()
        with self._whole_steps():
            for _ in self:
                pass
        return self

    def __iter__(self) -> Iterator[Progress]:
        """Do the steps that are left. Raises as `execute` does; Ctrl-C waits for the end of a step."""
        self._begin()
        saved, took = time.monotonic(), 0.0
        watched = bool(get_registry().manager.hook.artkit_step.get_hookimpls())
        try:
            with self._log() as log:
                while self.step < self.task.steps:
                    with self._whole_steps() as asked:
                        self._do(log, watched)
                        if asked.is_set() and self.step < self.task.steps:
                            raise Interrupted(
                                f"stopped after step {self.step} of {self.task.steps}; saved in {self.folder}",
                                hint="to go on, give the same command with --resume",
                            )
                        if (began := time.monotonic()) - saved > _pause(took):
                            self._save()
                            saved = time.monotonic()
                            took = saved - began
                    yield Progress(self.step, self.task.steps, self.losses)
        except (GeneratorExit, Interrupted, Diverged):
            self._save()
            raise
        except BaseException:
            self._broken = True
            raise
        self._save()
        self._report()

    def picture(self) -> Image.Image:
        """What there is to see so far."""
        done = self.outputs if self.step == self.task.steps else []
        with (
            tempfile.TemporaryDirectory() as folder,
            Image.open(_shown(done or self.task.write_outputs(Path(folder)))) as opened,
        ):
            opened.load()
            return opened

    def _repr_png_(self) -> bytes:
        shown, stream = self.picture(), io.BytesIO()
        shown.thumbnail((SHOWN, SHOWN))
        shown.save(stream, "PNG")
        return stream.getvalue()

    def __repr__(self) -> str:
        return f"<run {self.recipe.name}: step {self.step} of {self.task.steps}, in {self.folder}>"

    def _begin(self) -> None:
        if self._broken:
            raise ArtkitError(
                f"the run in {self.folder} broke off in the middle of a step",
                hint="make it anew with resume=True; it goes on from its last checkpoint",
            )
        if not self._begun:
            self._open()
            self.step = self.first_step
            self.task.prepare()
            self._begun = True

    def _do(self, log: Any, watched: bool) -> None:
        began = time.perf_counter()
        try:
            losses = self.task.step(self.step)
        except Diverged as error:
            error.args = (
                f"{error.args[0]}\n  the last good state, before step {self.step}, is saved in {self.folder}",
            )
            raise
        line: dict[str, Any] = {"step": self.step, **losses, "seconds": round(time.perf_counter() - began, 4)}
        if self.step + 1 == self.task.steps and (verdicts := self.task.evaluate()):
            line["verdicts"] = verdicts
        self._append(log, line)
        self.losses = losses
        self.step += 1
        if watched:
            self._tell_plugins(self.step - 1, losses)
        if self.progress:
            self.progress(self.step, losses)

    @contextlib.contextmanager
    def _whole_steps(self) -> Iterator[threading.Event]:
        """In this block the first Ctrl-C only sets the event, so that no step is cut in half."""
        if self._asked is not None:
            yield self._asked
            return
        with _sigint() as self._asked:
            try:
                yield self._asked
            finally:
                self._asked = None

    def _tell_plugins(self, step: int, losses: dict[str, float]) -> None:
        """Call `artkit_step`; a plugin that fails in it is not called again, and the user is told."""
        registry = get_registry()
        known = len(registry.disabled)
        for _ in registry.call_each("artkit_step", run=self, step=step, losses=losses):
            pass
        for fault in registry.disabled[known:]:
            print(f"note: the plugin {fault.plugin} no longer watches this run: {fault.reason}", file=sys.stderr)
            registry.manager.unregister(name=fault.plugin)

    def _save(self) -> None:
        # Results first: a checkpoint that says "done" then always has its results beside it.
        self.outputs = self.task.write_outputs(self.folder)
        checkpoint.save({"step": self.step, "state": self.task.state_dict()}, self.folder / CHECKPOINT)

    def _report(self) -> None:
        """Write the report; what it meets with is told, and costs nobody a finished run."""
        try:
            self.outputs.append(report.write(self.folder, _shown(self.outputs)))
        except Exception as error:  # it reads what others wrote, and asks plugins to paint
            print(f"note: no report was written ({type(error).__name__}: {error})", file=sys.stderr)

    def _open(self) -> None:
        """Take the folder, or go on in it."""
        folder, tree = self.folder, self.recipe.resolved()
        tree[RECORD] = provenance_record(self.recipe, self.task.provenance)
        text = tomli_w.dumps(tree)
        there = folder / RECIPE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise cannot_write(there, error) from None
        remove_leftovers(folder)
        if there.exists():
            old = _read(there)
            new = tomllib.loads(text)
            if different := sorted(_differences(old, new)):
                raise UsageError(
                    f"{folder} holds a run of another recipe; different: {', '.join(different[:5])}",
                    hint="choose another folder with --out",
                )
            if not self.resume and (step := self._saved_step()) and step < self.task.steps:
                raise UsageError(
                    f"{folder} holds an unfinished run of this recipe, at step {step} of {self.task.steps}",
                    hint="add --resume to go on, or choose another folder with --out",
                )
        elif any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty and holds no run", hint="choose another folder with --out")
        if not self.resume:
            (folder / CHECKPOINT).unlink(missing_ok=True)
        write_text(there, text)
        if self.resume and (folder / CHECKPOINT).exists():
            saved = checkpoint.load(folder / CHECKPOINT)
            try:
                self.first_step = int(saved["step"])
                self.task.load_state_dict(saved["state"])
            except (KeyError, TypeError, ValueError, RuntimeError) as error:
                raise ArtkitError(
                    f"{folder / CHECKPOINT} is of something else ({type(error).__name__}: {error})",
                    hint="run again without --resume",
                ) from None

    def _saved_step(self) -> int:
        file = self.folder / CHECKPOINT
        try:
            return int(checkpoint.load(file)["step"]) if file.exists() else 0
        except (ArtkitError, KeyError, TypeError, ValueError):
            return 0  # what is damaged cannot be gone on with

    @contextlib.contextmanager
    def _log(self) -> Iterator[Any]:
        """The log, cut back to the steps that are done."""
        file = self.folder / LOG
        kept = []
        if self.step and file.exists():
            for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
                with contextlib.suppress(ValueError):
                    if line.endswith("\n") and json.loads(line)["step"] < self.step:
                        kept.append(line)
        write_text(file, "".join(kept))
        stream = file.open("a", encoding="utf-8")
        try:
            yield stream
        finally:
            with contextlib.suppress(OSError):  # what could not be written has been told
                stream.close()

    def _append(self, log: Any, line: dict[str, Any]) -> None:
        try:
            log.write(json.dumps(line) + "\n")
            log.flush()
        except OSError as error:
            raise cannot_write(self.folder / LOG, error) from None


def _shown(results: list[Path]) -> Path:
    """Of a job's results the picture to show."""
    return [file for file in results if file.suffix == ".png"][-1]


def _pause(took: float) -> float:
    """Seconds from one checkpoint to the next where the last one took so many: most of the time is for work."""
    return 20 * took if took > _SLOW else SECONDS_BETWEEN_CHECKPOINTS


def _read(file: Path) -> dict[str, Any]:
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} is damaged: {error}", hint="choose another folder with --out") from None
    if not isinstance(tree.get(RECORD, {}), dict):
        raise UsageError(f"{file} is damaged: {RECORD} is no table", hint="choose another folder with --out")
    return tree


def _differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """The places at which two recipes differ; what they were recorded with matters only as far as files go."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            if not place and key == RECORD:
                yield from _differences(old.get(key, {}).get("sha256"), new.get(key, {}).get("sha256"), "sha256")
            elif not place and key == "device":
                continue
            else:
                yield from _differences(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif old != new:
        yield place


@contextlib.contextmanager
def _sigint() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second one stops at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(_signal: int, _frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
