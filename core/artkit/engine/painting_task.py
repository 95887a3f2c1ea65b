"""PaintingTask: optimise the strokes of one painting.

A step: agent -> constraints -> renderer and canvas -> objectives -> gradient -> optimizer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from artkit import memmap
from artkit.engine.live_view import LivePicture
from artkit.engine.memory_plan import MemoryPlan
from artkit.engine.optimization_task import Images, OptimizationTask
from artkit.engine.relocation import Relocation
from artkit.engine.run_folder import RunFolder
from artkit.engine.window_epoch import THUMBNAIL_SIDE, ParallelSteps, WindowEpoch, WindowResult, WindowStep, step_seed
from artkit.errors import UsageError
from artkit.formatting import counted, format_duration
from artkit.geometry.free_tiles import storable_phases
from artkit.geometry.window import Window
from artkit.geometry.window_grid import WindowGrid
from artkit.imaging.pixels import downscale_pixels
from artkit.imaging.png import save_png
from artkit.interfaces.view import View
from artkit.output.finished_picture import FinishedPicture, possible_scale
from artkit.recipes.provenance import picture_metadata, provenance_record
from artkit.recipes.recipe import RECORD, OutputConfig, Recipe
from artkit.rendering.patch_rendering import ActionLookup
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import STROKES_FILE, StrokeLog

PREVIEW_FILE = "preview.png"

SHORT_RUN_SECONDS = 120
"""Runs of a single window that take less have no forecast."""

_MAX_TARGET_PIXELS = 1 << 22  # px of the target that an agent with `uses_targets` gets
_THUMBNAIL_INTERVAL_STEPS = 8  # the objectives score the thumbnail every so many steps
_MIN_TIMED_STEPS = 20  # shorter runs are not timed by a forecast
_MAX_REPORT_PIXELS = 1 << 25  # a larger picture gets a preview, which the report shows
_ACTION_CHUNK = 1 << 18  # strokes whose final actions are computed at a time


class PaintingTask(OptimizationTask):
    """Optimise the strokes of one painting.

    A step renders one window, scores it and updates the strokes of its core. A picture that fits into memory is a
    single window; of a larger one each epoch visits all windows in a new random order (`WindowEpoch`), and the recipe's
    `steps` are epochs. Every 8th step after the first epoch the objectives also score a thumbnail of the whole picture,
    into which the current window is pasted.
    """

    parallel: ParallelSteps | None = None
    """What computes the steps over several windows at a time; None computes one after the other in this process."""

    def __init__(self, recipe: Recipe, device: torch.device, folder: Path | None = None, images: Images = None) -> None:
        super().__init__(recipe, device, folder, images)
        output, size = recipe.settings.output, recipe.size
        self.finished_picture = FinishedPicture(output, self.notes)
        requested = output.scale_for(size)
        midpoint = torch.full((1, len(self.renderer.space)), 0.5).expand(self.scene.action_count, -1)
        self.output_scale = possible_scale(RenderedPainting(self._log_of(midpoint), self.renderer), requested)
        if self.output_scale != requested:
            self.notes.append(
                f"the renderer {self.renderer.name} cannot render {requested:.3g} times as large; the finished picture "
                f"will be {self.output_scale:g} times as large as the recipe's size"
            )
        self.relocation = Relocation(self)
        if self.agent.start_folder:
            self._begin_from(RunFolder(self.agent.start_folder))

    def _begin_from(self, other: RunFolder) -> None:
        """Restore the state of another run if its recipe differs in nothing but the number of steps."""
        ignored = ("steps", "agent.start", "sha256.agent.start")
        recipe = {**self.recipe.resolved(), RECORD: provenance_record(self.recipe, self.provenance)}
        try:
            differences = set(other.differences(recipe)) - set(ignored) if other.checkpoint.exists() else {"checkpoint"}
            if any(not key.startswith("output.") for key in differences):
                return
        except UsageError:  # a damaged recipe; the strokes can still be used
            return
        hint = f"copy {STROKES_FILE} to another folder, to begin from the strokes alone"
        step = self.restore(other.checkpoint, hint)  # also sets the number of steps before those
        self.steps_before += step
        self.notes.append(f"the painting in {other.path} goes on exactly, with the state of its optimiser")

    def _plan(self) -> None:
        self.memory_plan = MemoryPlan(self.canvas, self.renderer, max(o.margin for o in self.objectives.values()))
        self.set_windows(self.memory_plan.windows(self.recipe.settings.window))
        self._cached_targets: Tensor | None = None
        self._last_view: tuple[Tensor, Window] | None = None  # the picture of the last step, (3, h, w), and its window

    def set_windows(self, windows: WindowGrid) -> None:
        """Set the windows, the number of steps, and the state of the first epoch."""
        self.windows, self.steps_per_epoch = windows, windows.count
        self._planned_at = 0  # the step, with those before the run, from which these windows are used
        self.steps = self.changes.steps * windows.count
        self._received: dict[int, tuple[WindowResult, Mapping[str, Tensor]]] = {}
        self.epoch = WindowEpoch(windows, self.memory_plan.reach, self.scene)

    @property
    def targets(self) -> Tensor | None:
        """The target (1, 3, h, w), downscaled if it is large, for an agent with `uses_targets`; None for others."""
        if self._cached_targets is None and self.agent.uses_targets and self.scene.target is not None:
            self._cached_targets = self.scene.target.thumbnail(_MAX_TARGET_PIXELS)[0]
        return self._cached_targets

    def forecast(self) -> str:
        """See `Task.forecast`; the time is measured by a step that changes nothing.

        Raises UsageError if the disk has no room for the run.
        """
        folder = self.scene.folder or Path.cwd()
        actions = (self.scene.action_count, len(self.renderer.space))
        self.memory_plan.check_disk(actions, self.output_scale, folder)
        windows, seconds = self.windows, self.measure_run_seconds()
        if windows.count == 1 and seconds < SHORT_RUN_SECONDS:
            return ""
        gigabytes = self.memory_plan.bytes(windows.width, windows.height) / 2**30
        return (
            f"{counted(self.canvas.stroke_count, 'stroke')}, {counted(self.steps, 'step')} of {windows.width} x "
            f"{windows.height} px, about {gigabytes:.1f} GB of memory"
            + (f", about {format_duration(seconds)}" if seconds else "")
        )

    def measure_run_seconds(self) -> float:
        """Estimate the seconds of the whole run from one step; 0 for a run of few steps."""
        if self.steps < _MIN_TIMED_STEPS:
            return 0.0
        try:
            return self.measure_step() * self.steps
        except torch.OutOfMemoryError:  # the first step will make the windows smaller
            return 0.0

    def _trial_losses(self) -> Tensor:
        window, core = self.windows.at(self.windows.count // 2, (0.0, 0.0))
        return self.score(self._view(window, core, 0.0))[1]

    def step(self, step: int) -> dict[str, float]:
        self._store_random_numbers()
        place = step % self.windows.count
        if self.windows.count > 1 and place == 0:
            seed = step_seed(self.recipe.settings.seed, step + self.steps_before, "order of the windows")
            self.epoch.begin(torch.Generator().manual_seed(seed))
        self.epoch.enter(place)
        self.begin_step(step)
        if place == 0:
            epoch = (step + self.steps_before) // self.windows.count
            self.relocation.begin_epoch(epoch, self.windows, lambda: self._actions(self._progress(step)))
        window_step = self._window_step(step)
        result = self._receive(step) if self.parallel and self.windows.count > 1 else self.compute(window_step)
        read = self._optimizer_step(step, result.losses)
        if result.pasted is not None:
            window, _ = self.windows.at(window_step.index, window_step.shift)
            self.epoch.thumbnail = self.epoch.pasted(self.epoch.thumbnail, result.pasted[None], window)[0]
        self._last_view = result.picture
        self.agent.on_step_end(result.per_image_loss, self._progress(step))
        for name, objective_view in result.views.items():
            self.objectives[name].training_step(objective_view)
        memmap.release()
        return read

    def live_picture(self) -> LivePicture | None:
        if self._last_view is None:
            return None
        return LivePicture(*self._last_view, self.scene.size, tuple(self.scene.background.tolist()))

    def _receive(self, step: int) -> WindowResult:
        """Return the result of a step from the workers, and set its gradients; they compute the rest of its group."""
        assert self.parallel
        if step not in self._received:
            place = step % self.windows.count
            count = min(self.epoch.group_end(place) - place, self.parallel.batch)
            following = range(step, step + count)
            self._received = dict(zip(following, self.parallel(list(map(self._window_step, following))), strict=True))
        result, gradients = self._received.pop(step)
        for name, parameter in self.agent.named_parameters():
            parameter.grad = gradients.get(name)
        return result

    def _window_step(self, step: int) -> WindowStep:
        count, number = self.windows.count, step + self.steps_before
        due = number >= self._planned_at + count and number % _THUMBNAIL_INTERVAL_STEPS == 0
        return self.epoch.step(step, number, step % count, count > 1 and due)

    def compute(self, step: WindowStep) -> WindowResult:
        """Render and score a window, and compute the gradients of the agent's parameters. Updates nothing."""
        if self.windows.count == 1:
            return self._compute(step)
        state = self.scene.generator.get_state()
        try:
            self.scene.generator.manual_seed(step_seed(self.recipe.settings.seed, step.number, "step"))
            return self._compute(step)
        finally:
            self.scene.generator.set_state(state)

    def _compute(self, step: WindowStep) -> WindowResult:
        window, core = self.windows.at(step.index, step.shift)
        progress = self._progress(step.step)
        view = self._view(window, core, progress)
        losses, per_image_loss, views = self.score(view)
        loss = per_image_loss.sum()  # a sum, so that the gradient of one picture does not depend on the others
        pasted = None
        if self.windows.count > 1:
            reduced = self.epoch.reduce(view.image, window)
            pasted = reduced[0].detach()
            if step.thumbnail is not None:
                thumbnail = self.epoch.pasted(step.thumbnail, reduced, window)
                loss = loss + self._thumbnail_loss(thumbnail, window, progress)
        self._compute_gradient(loss)
        return WindowResult(losses, per_image_loss.detach(), pasted, (view.image[0].detach(), window), views)

    def reduce_memory(self, step: int) -> tuple[int, str] | None:
        smaller = self.memory_plan.smaller_windows(self.windows)
        if smaller is None:
            return None
        self._restore_random_numbers()
        epoch, before = step // self.windows.count, self.steps_before // self.windows.count
        self.set_windows(smaller)
        self.steps_before = before * smaller.count
        self._planned_at = (before + epoch) * smaller.count
        return epoch * smaller.count, f"windows of {smaller.width} x {smaller.height} px"

    def _view(self, window: Window, core: Window, progress: float) -> View:
        """Render a window; gradients reach the strokes of its core."""
        scene, single = self.scene, self.windows.count == 1
        raw_actions = self.relocation.raw_actions(self.targets) if single else None
        actions = scene.constrain(raw_actions, progress) if raw_actions is not None else self._actions(progress)
        image = self.canvas.render(self.renderer, actions, scene.base, scene.seed, window, None if single else core)
        all_actions = actions if single and isinstance(actions, Tensor) else None
        return View(image, None, window, progress, all_actions, raw_actions)

    def _thumbnail_loss(self, thumbnail: Tensor, window: Window, progress: float) -> Tensor:
        height, width = thumbnail.shape[-2:]
        whole = Window(0, 0, width, height, 1 / self.epoch.divisor)
        _, per_image_loss, _ = self.score(View(thumbnail, None, whole, progress))
        # In a mean over the picture the window counts by its area; divided by it, as much as in the window's own loss.
        area = window.width * window.height / (self.scene.size[0] * self.scene.size[1])
        return per_image_loss.sum() / area

    def actions(self, progress: float) -> Tensor:
        """Return the constrained actions of all strokes: (n, N, A)."""
        return self.scene.constrain(self.relocation.raw_actions(self.targets), progress)

    def _actions(self, progress: float) -> ActionLookup | Tensor:
        """Return all actions, or, for a picture of several windows, a function that computes those of a subset."""
        if self.windows.count == 1:
            return self.actions(progress)

        def get_actions(indices: Tensor) -> Tensor:
            return self.scene.constrain(self.relocation.raw_actions(self.targets, indices), progress, indices)

        if all(constraint.elementwise for constraint in self.constraints.values()):
            return get_actions
        return get_actions(torch.arange(self.scene.action_count))

    def state_dict(self) -> dict[str, Any]:
        epoch = {**self.epoch.state_dict(), "planned_at": self._planned_at}
        state = {"windows": asdict(self.windows), "sweep": epoch, "before": self.steps_before}
        state["moved"] = self.relocation.state_dict()
        return {**super().state_dict(), **state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        windows = state["windows"]
        # A run keeps its windows, even on a machine whose memory would suggest others.
        self.set_windows(WindowGrid(**{**windows, "size": tuple(windows["size"])}))
        if self.windows.size != self.scene.size:
            raise ValueError(f"it is of a picture of {self.windows.size} px")
        super().load_state_dict(state)
        epoch, before = state["sweep"], state.get("before", 0)
        planned_at = epoch.get("planned_at", 0)
        if not (isinstance(before, int) and isinstance(planned_at, int)) or min(before, planned_at) < 0:
            raise ValueError("its number of steps before is damaged")
        self.steps_before, self._planned_at = before, planned_at
        self.epoch.load_state_dict(epoch)
        self.relocation.load_state_dict(state.get("moved", {}))

    @torch.no_grad()
    def log(self) -> StrokeLog:
        """Return the current strokes as a stroke log."""
        return self._log_of(self._final_actions())

    def _log_of(self, actions: Tensor) -> StrokeLog:
        """Return the stroke log of actions (N, A)."""
        block = self.recipe.blocks["renderer"]
        red, green, blue = self.scene.background.tolist()
        return StrokeLog(
            size=self.recipe.size,
            background=(red, green, blue),
            seed=self.recipe.settings.seed,
            renderer={"type": block.type, **self.renderer.config.model_dump(mode="json", exclude_none=True)},
            space=self.renderer.space.name,
            names=self.renderer.space.names,
            actions=actions,
            phases=storable_phases(self.canvas.phases),
            clip=self.canvas.clip,
            background_image=self.scene.background_image,
            noise_indices=self.canvas.noise_indices,
        )

    def _final_actions(self) -> Tensor:
        """Return the actions (N, A) of the first picture on the CPU, memory-mapped if they are large."""
        constrained = self._actions(1.0)
        if isinstance(constrained, Tensor):
            return constrained[0].float().cpu()
        shape = (self.scene.action_count, len(self.renderer.space))
        actions = torch.from_numpy(memmap.zeros(shape, "float32", self.scene.folder))
        for indices in torch.split(torch.arange(len(actions)), _ACTION_CHUNK):
            actions[indices] = constrained(indices)[0].float().cpu()
            memmap.release()
        return actions

    @torch.no_grad()
    def evaluate(self) -> list[dict[str, Any]]:
        painting = RenderedPainting(self.log(), self.renderer, folder=self.scene.folder)
        return [
            {"objective": name, **row}
            for name, objective in self.objectives.items()
            for row in objective.evaluate(painting)
        ]

    def output_names(self) -> list[str]:
        width, height = (round(side * self.output_scale) for side in self.recipe.size)
        first, *others = self.finished_picture.file_names
        return [f"{first} ({width} x {height} px)", STROKES_FILE, *others]

    def write_outputs(self, folder: Path, finished: bool = False) -> list[Path]:
        if self.windows.count > 1 and not finished:
            # Rendering all of a large picture takes long; an unfinished one only gets a preview.
            save_png(self.epoch.thumbnail, folder / PREVIEW_FILE)
            return [folder / PREVIEW_FILE]
        log = self.log()
        log.save(folder / STROKES_FILE)
        painting = RenderedPainting(log, self.renderer, self.output_scale if finished else 1.0, folder=folder)
        picture = self.finished_picture if finished else FinishedPicture(OutputConfig(), self.notes)
        main, *others = picture.write(painting, picture_metadata(self.recipe), folder)
        files = [main, folder / STROKES_FILE, *others]
        width, height = painting.size
        if self.windows.count > 1 or width * height > _MAX_REPORT_PIXELS:
            divisor = max(self.epoch.divisor, math.ceil(max(width, height) / THUMBNAIL_SIDE))
            save_png(downscale_pixels(painting.pixels(), divisor), folder / PREVIEW_FILE)
            files.append(folder / PREVIEW_FILE)
        return files
