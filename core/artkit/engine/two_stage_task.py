"""TwoStageTask: paint the picture of a first stage, then the recipe that has it as the target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from artkit.config import FIRST_STAGE
from artkit.engine.live_view import LivePicture
from artkit.engine.painting_task import SHORT_RUN_SECONDS, PaintingTask
from artkit.engine.task import Task
from artkit.formatting import counted, format_duration
from artkit.imaging.pixels import pixels_to_tensor
from artkit.imaging.png import save_png
from artkit.output.finished_picture import possible_scale
from artkit.recipes.recipe import FIRST, FIRST_PICTURE_FILE, Recipe
from artkit.rendering.rendered_painting import RenderedPainting


class TwoStageTask(Task):
    """Two painting tasks, one after the other; the picture of the first is the target of the second.

    Until the first has finished, its picture is the result. The second is also built at the start, for a grey target,
    so that errors in the recipe are raised before anything is painted.
    """

    def __init__(self, recipe: Recipe, first: Recipe, device: torch.device, folder: Path | None = None) -> None:
        self._recipe, self._device, self._folder = recipe, device, folder
        self._first: PaintingTask | None = PaintingTask(first, device, folder)
        self._picture: Tensor | None = None
        grey = Image.new("RGB", first.size, (128, 128, 128))
        self._second = PaintingTask(recipe, device, folder, {FIRST_STAGE: grey})
        self._first_steps = self._first.steps
        self._first_provenance, self._first_notes = self._first.provenance, self._first.notes

    @property
    def steps(self) -> int:  # type: ignore[override]
        """The number of steps of both stages."""
        return self._first_steps + self._second.steps

    @property
    def provenance(self) -> dict[str, str]:  # type: ignore[override]
        """See `Task`."""
        return {**{f"{FIRST}.{k}": v for k, v in self._first_provenance.items()}, **self._second.provenance}

    @property
    def notes(self) -> list[str]:  # type: ignore[override]
        """See `Task`."""
        return [*self._first_notes, *self._second.notes]

    @property
    def _stage(self) -> PaintingTask:
        return self._first or self._second

    def forecast(self) -> str:
        """See `Task.forecast`."""
        assert self._first is not None
        text = self._second.forecast()  # raises if the disk has no room
        seconds = [task.measure_run_seconds() for task in (self._first, self._second)]
        if sum(seconds) < SHORT_RUN_SECONDS:
            return ""
        return text or f"{counted(self.steps, 'step')} in two stages, about {format_duration(sum(seconds))}"

    def schedules(self) -> list[str]:
        return self._second.schedules()

    def step(self, step: int) -> dict[str, float]:
        if self._first is None:
            return self._second.step(step - self._first_steps)
        losses = self._first.step(step)
        if step + 1 == self._first_steps:
            self._begin_second(self._render_first(self._first))
        return losses

    def _render_first(self, task: PaintingTask) -> Tensor:
        """Return the picture of the first stage, (h, w, 3) 8-bit: about as large as the second, if it can be."""
        size, final_size = task.recipe.size, self._recipe.size
        log = task.log()
        largest = max(f / s for f, s in zip(final_size, size, strict=True))
        scale = possible_scale(RenderedPainting(log, task.renderer), largest)
        return torch.from_numpy(RenderedPainting(log, task.renderer, scale, folder=self._folder).pixels().copy())

    def _begin_second(self, picture: Tensor) -> None:
        images = {FIRST_STAGE: Image.fromarray(picture.numpy())}
        self._first, self._picture = None, picture
        self._second = PaintingTask(self._recipe, self._device, self._folder, images)

    def reduce_memory(self, step: int) -> tuple[int, str] | None:
        if self._first is None:
            reduced = self._second.reduce_memory(step - self._first_steps)
            return reduced and (reduced[0] + self._first_steps, reduced[1])
        reduced = self._first.reduce_memory(step)
        self._first_steps = self._first.steps
        return reduced

    def changes_at(self, step: int) -> dict[str, Any]:
        return self._second.changes_at(step - self._first_steps) if step >= self._first_steps else {}

    def live_picture(self) -> LivePicture | None:
        return self._stage.live_picture()

    def evaluate(self) -> list[dict[str, Any]]:
        return self._second.evaluate()

    def state_dict(self) -> dict[str, Any]:
        finished = {} if self._picture is None else {"picture": self._picture}
        return {**self._stage.state_dict(), "first_steps": self._first_steps, **finished}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if "picture" in state:
            self._begin_second(state["picture"].cpu())
        self._stage.load_state_dict(state)
        self._first_steps = int(state["first_steps"])

    def output_names(self) -> list[str]:
        return [*self._second.output_names(), FIRST_PICTURE_FILE]

    def write_outputs(self, folder: Path, finished: bool = False) -> list[Path]:
        if self._picture is not None:
            save_png(pixels_to_tensor(self._picture.numpy())[0], folder / FIRST_PICTURE_FILE)
        return self._stage.write_outputs(folder, finished)
