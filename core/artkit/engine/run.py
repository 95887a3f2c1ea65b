"""Run: the loop that executes the steps of a task and saves them in a folder.

A run that is interrupted or killed at any moment resumes from its last checkpoint and gives the same result as without
the interruption.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image

from artkit.devices import release_memory
from artkit.engine import checkpoint
from artkit.engine.earlier_picture import compare_earlier
from artkit.engine.interrupt import InterruptGuard
from artkit.engine.live_view import LIVE_FOLDER, LiveView
from artkit.engine.run_folder import RunFolder
from artkit.engine.task import Diverged, Interrupted, OutOfMemory, Task
from artkit.errors import ArtkitError
from artkit.folder_lock import FolderLock
from artkit.formatting import counted
from artkit.output import report
from artkit.output.run_logs import RunLogs
from artkit.recipes.provenance import provenance_record
from artkit.recipes.recipe import RECORD, Recipe
from artkit.registry.plugin_registry import get_registry

SECONDS_BETWEEN_CHECKPOINTS = 10.0

_SLOW_CHECKPOINT_SECONDS = 0.5  # checkpoints that take longer are saved less often
_NOTEBOOK_SIDE = 1024  # px of the longer side of the picture that a notebook shows


class Progress(NamedTuple):
    """The number of executed steps, the number of all steps, and the losses of the last step by name."""

    step: int
    steps: int
    losses: dict[str, float]


@dataclass(repr=False)
class Run:
    """A run of a recipe in its folder.

    Iterating over it executes the remaining steps one by one and yields a `Progress` after each. Leaving the loop saves
    the run; another loop continues it. A notebook shows a run as its picture.

    progress: called after each step with the number of executed steps and the losses. first_step: the step at which
    this process started. step: the number of executed steps. outputs: the files of the results.
    """

    folder: Path
    recipe: Recipe
    task: Task
    resume: bool = False
    progress: Callable[[int, dict[str, float]], None] | None = None
    first_step: int = 0
    step: int = 0
    losses: dict[str, float] = field(default_factory=dict)
    outputs: list[Path] = field(default_factory=list)
    _started: bool = field(default=False, init=False)
    _failed: bool = field(default=False, init=False)
    _interrupt: InterruptGuard = field(default_factory=InterruptGuard, init=False)
    _lock: FolderLock = field(init=False)
    _logs: RunLogs = field(init=False)
    _live: LiveView = field(init=False)

    def __post_init__(self) -> None:
        self._lock = FolderLock(self.folder)

    def execute(self) -> Run:
        """Execute all remaining steps, write the results and return the run.

        Raises Interrupted after Ctrl-C, SIGTERM or SIGHUP and Diverged if a loss is not finite; both save the run
        first. Raises FolderLocked if another process executes the run in this folder.
        """
        with self._lock.held():
            self._start()
            with self._interrupt.deferred():
                for _ in self:
                    pass
        return self

    def __iter__(self) -> Iterator[Progress]:
        """Execute the remaining steps. Raises as `execute` does; Ctrl-C takes effect at the end of a step."""
        with self._lock.held():
            self._start()
            yield from self._execute_steps()

    def _execute_steps(self) -> Iterator[Progress]:
        last_save, save_seconds = time.monotonic(), 0.0
        try:
            with self._run_folder.open_log(self.step, self.task.steps) as append:
                while self.step < self.task.steps:
                    with self._interrupt.deferred() as interrupted:
                        self._execute_step(append)
                        stopped = self._live.stop_requested() or interrupted.is_set()
                        if stopped and self.step < self.task.steps:
                            raise Interrupted(
                                f"stopped after step {self.step} of {self.task.steps}; saved in {self.folder}",
                                hint="to continue, repeat the command with --resume",
                            )
                        due = (started := time.monotonic()) - last_save > _checkpoint_interval(save_seconds)
                        if due and self.step < self.task.steps:  # the last step is saved below
                            self._save()
                            last_save = time.monotonic()
                            save_seconds = last_save - started
                    yield Progress(self.step, self.task.steps, self.losses)
        except (GeneratorExit, Interrupted, Diverged, OutOfMemory):
            self._save()
            raise
        except BaseException:
            self._failed = True
            raise
        self._save()
        self._live.stop_requested()  # too late
        self._write_report()
        self._compare_earlier_pictures()

    def _start(self) -> None:
        """Claim the folder, restore the checkpoint and prepare the task; once."""
        if self._failed:
            raise ArtkitError(
                f"the run in {self.folder} failed in the middle of a step",
                hint="create it again with resume=True; it continues from its last checkpoint",
            )
        if self._started:
            return
        self._logs = RunLogs(self.recipe, self.folder)
        self._live = LiveView(self.folder / LIVE_FOLDER)
        recipe = self.recipe.resolved()
        recipe[RECORD] = provenance_record(self.recipe, self.task.provenance)
        earlier_steps = self._run_folder.claim(recipe, self.resume)
        if self.resume and self._run_folder.checkpoint.exists():
            self.first_step = self.task.restore(self._run_folder.checkpoint, hint="run again without --resume")
            if earlier_steps != recipe["steps"] and self.first_step:
                self._note_schedules(earlier_steps, recipe["steps"])
        self.step = self.first_step
        self.task.prepare()
        self._started = True

    def _note_schedules(self, earlier_steps: int, steps: int) -> None:
        """Tell the user which schedules make the result differ from that of a run with `steps` from its start."""
        if schedules := self.task.schedules():
            print(
                f"note: the run had {counted(earlier_steps, 'step')} and now has {steps}. Some settings depend on that "
                f"number: {', '.join(schedules)}. The result will not be the same as of {counted(steps, 'step')} from "
                "the start",
                file=sys.stderr,
            )

    def _execute_step(self, append: Callable[[dict[str, Any]], None]) -> None:
        started = time.perf_counter()
        try:
            losses = self._step_in_memory()
        except Diverged as error:
            error.args = (f"{error.args[0]}\n  the state before step {self.step} is saved in {self.folder}",)
            raise
        line: dict[str, Any] = {"step": self.step, **losses, "seconds": round(time.perf_counter() - started, 4)}
        if changes := self.task.changes_at(self.step):
            line["changes"] = changes
        if self.step + 1 == self.task.steps and (rows := self._evaluate()):
            line["verdicts"] = rows
        append(line)
        self.losses = losses
        self.step += 1
        self._logs.write(
            self.step - 1,
            losses,
            steps=self.task.steps,
            steps_per_epoch=self.task.steps_per_epoch,
            picture=lambda: self._open_picture([]),
        )
        self._live.write(self.step, self.task.steps, losses, line["seconds"], self.task.live_picture)
        self._call_plugins(self.step - 1, losses)
        if self.progress:
            self.progress(self.step, losses)

    def _evaluate(self) -> list[dict[str, Any]]:
        """Evaluate the finished result, if the memory of the GPU suffices."""
        try:
            return self.task.evaluate()
        except torch.OutOfMemoryError:
            print("note: the GPU ran out of memory; the result is not evaluated", file=sys.stderr)
            return []

    def _step_in_memory(self) -> dict[str, float]:
        """Execute a step. As long as it runs out of the memory of a GPU, try again with less."""
        while True:
            try:
                return self.task.step(self.step)
            except torch.OutOfMemoryError:
                pass  # retried outside of this block, in which the exception holds the tensors of the step
            release_memory()
            reduced = self.task.reduce_memory(self.step)
            if reduced is None:
                raise OutOfMemory(
                    f"step {self.step} does not fit into the memory of the device\n  the state before it is saved in "
                    f"{self.folder}",
                    hint="set a smaller window or batch, larger tiles, or fewer strokes, or continue with --resume "
                    "--device cpu",
                )
            self.step, smaller = reduced
            print(f"note: a step ran out of memory; the run goes on with {smaller}", file=sys.stderr)

    def _call_plugins(self, step: int, losses: dict[str, float]) -> None:
        """Call the hook `artkit_step`. A plugin that raises is reported and not called again in this process."""
        registry = get_registry()
        if not registry.manager.hook.artkit_step.get_hookimpls():
            return
        disabled_before = len(registry.disabled)
        for _ in registry.call_each("artkit_step", run=self, step=step, losses=losses):
            pass
        for disabled in registry.disabled[disabled_before:]:
            print(f"note: the plugin {disabled.plugin} is disabled for this run: {disabled.reason}", file=sys.stderr)
            registry.manager.unregister(name=disabled.plugin)

    def _save(self) -> None:
        finished = self.step == self.task.steps
        if not finished and not self._run_folder.checkpoint.exists():
            self._save_checkpoint()  # a picture without a checkpoint is finished, and is kept when the run is repeated
        # Results first: a checkpoint of the last step implies that the final results exist.
        self.outputs = self.task.write_outputs(self.folder, finished)
        self._save_checkpoint()

    def _save_checkpoint(self) -> None:
        checkpoint.save({"step": self.step, "state": self.task.state_dict()}, self._run_folder.checkpoint)

    def _write_report(self) -> None:
        try:
            self.outputs.append(report.write(self.folder, _main_picture(self.outputs)))
        except Exception as error:  # it renders with plugins; a finished run must not fail because of them
            print(f"note: no report was written ({type(error).__name__}: {error})", file=sys.stderr)

    def _compare_earlier_pictures(self) -> None:
        for folder in compare_earlier(self.folder):
            print(f"note: the earlier picture of this run is not the same; it is kept in {folder}", file=sys.stderr)

    @property
    def _run_folder(self) -> RunFolder:
        return RunFolder(self.folder)

    def picture(self) -> Image.Image:
        """Return the current picture."""
        return self._open_picture(self.outputs if self.step == self.task.steps else [])

    def _open_picture(self, outputs: list[Path]) -> Image.Image:
        """Return the picture of outputs, or of the current state if there are none."""
        with (
            tempfile.TemporaryDirectory() as folder,
            Image.open(_main_picture(outputs or self.task.write_outputs(Path(folder)))) as opened,
        ):
            opened.load()
            return opened

    def _repr_png_(self) -> bytes:
        """Return the picture as a PNG for notebooks."""
        picture, stream = self.picture(), io.BytesIO()
        picture.thumbnail((_NOTEBOOK_SIDE, _NOTEBOOK_SIDE))
        picture.save(stream, "PNG")
        return stream.getvalue()

    def __repr__(self) -> str:
        return f"<run {self.recipe.name}: step {self.step} of {self.task.steps}, in {self.folder}>"


def _main_picture(outputs: list[Path]) -> Path:
    """Return the file that reports and notebooks show; see `Task.write_outputs`."""
    return [file for file in outputs if file.suffix == ".png"][-1]


def _checkpoint_interval(save_seconds: float) -> float:
    """Return the seconds until the next checkpoint, so that slow ones take at most a twentieth of the time."""
    return 20 * save_seconds if save_seconds > _SLOW_CHECKPOINT_SECONDS else SECONDS_BETWEEN_CHECKPOINTS
