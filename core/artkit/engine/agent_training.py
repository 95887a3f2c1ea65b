"""AgentTrainingTask: train an agent to paint the images of a data set (paper §3, §4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from artkit import weights
from artkit.devices import to_device
from artkit.engine.memory_plan import MemoryPlan
from artkit.engine.optimization_task import OptimizationTask
from artkit.errors import ArtkitError, UsageError
from artkit.formatting import counted, format_duration
from artkit.geometry.window import Window
from artkit.imaging.png import save_png
from artkit.interfaces.data import Data
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.view import View
from artkit.memory import check_memory
from artkit.registry.plugin_registry import get_registry

AGENT_FILE = "agent.safetensors"
SAMPLES_FILE = "sheet.png"

_SAMPLE_COUNT = 16  # images in the sample grid
_SAMPLE_BORDER = 2  # px around each


class AgentTrainingTask(OptimizationTask):
    """Train an agent with `uses_targets` on a data set.

    A step renders the agent's actions for a batch of images. Each epoch draws all images once, in random order. The
    stroke noise has a new seed in each step, so that the agent does not overfit to one sample of it.
    """

    def _plan(self) -> None:
        block = self.recipe.blocks["data"]
        assert self.data is not None
        self.dataset: Data = self.data
        self.batch_size: int = block.config.batch
        self._augmentation: float = block.config.vary
        self.steps = self.changes.steps
        self._remaining = torch.zeros(0, dtype=torch.int64)  # indices of the images that are left in this epoch
        self._remaining_before = self._remaining  # at the start of the current step
        self._mypaint: Renderer | None = None
        margin = max(o.margin for o in self.objectives.values())
        self._step_bytes = self.batch_size * MemoryPlan(self.canvas, self.renderer, margin).bytes(*self.scene.size)
        check_memory(
            self._step_bytes,
            f"a step of {counted(self.batch_size, 'picture')} with "
            f"{counted(self.canvas.stroke_count, 'stroke')} each would take",
            hint="set a smaller data.batch, or fewer strokes",
            device=self.scene.device,
        )
        name = self.recipe.blocks["agent"].type
        if not get_registry().component("agent", name).uses_targets:
            raise UsageError(
                f'[data] trains an agent, and "{name}" cannot be trained: its strokes do not depend on the image',
                hint='set agent.type = "lstm", or leave out [data] to paint one picture',
            )

    def forecast(self) -> str:
        """See `Task.forecast`; the time is measured by a step that changes nothing."""
        try:
            duration = f", about {format_duration(self.measure_step() * self.steps)}"
        except torch.OutOfMemoryError:  # the first step will make the batch smaller
            duration = ""
        return (
            f"{counted(len(self.dataset), 'picture')}, {counted(self.steps, 'step')} of {self.batch_size} with "
            f"{counted(self.canvas.stroke_count, 'stroke')} each, about {self._step_bytes / 2**30:.1f} GB of memory"
            + duration
        )

    def _trial_losses(self) -> Tensor:
        return self.score(self.view(torch.arange(self.batch_size) % len(self.dataset), 0.0))[1]

    def step(self, step: int) -> dict[str, float]:
        self._store_random_numbers()
        self._remaining_before = self._remaining
        indices = self._next_batch()
        targets = _augment(self.dataset.images(indices), self._augmentation, self.scene.generator)
        noise_seed = int(torch.randint(1 << 62, (), generator=self.scene.generator))
        self.begin_step(step)
        view = self._view(indices, targets, self._progress(step), noise_seed)
        losses, per_image_loss, views = self.score(view)
        self._compute_gradient(per_image_loss.mean())
        read = self._optimizer_step(step, losses)
        for name, objective_view in views.items():
            self.objectives[name].training_step(objective_view)
        return read

    def reduce_memory(self, step: int) -> tuple[int, str] | None:
        if self.batch_size == 1:
            return None
        self._restore_random_numbers()
        self._remaining = self._remaining_before
        self.batch_size //= 2
        self._step_bytes //= 2
        return step, f"batches of {self.batch_size}"

    def _next_batch(self) -> Tensor:
        """Return the indices (batch_size,) of the next images."""
        while len(self._remaining) < self.batch_size:
            permutation = torch.randperm(len(self.dataset), generator=self.scene.generator)
            self._remaining = torch.cat([self._remaining, permutation])
        batch, self._remaining = self._remaining[: self.batch_size], self._remaining[self.batch_size :]
        return batch

    def view(self, indices: Tensor, progress: float = 1.0) -> View:
        """Return the agent's pictures of the images with these indices (n,), without augmentation."""
        return self._view(indices, self.dataset.images(indices), progress)

    def _view(self, indices: Tensor, targets: Tensor, progress: float, noise_seed: int = 0) -> View:
        """Render the agent's actions for targets (n, 3, h, w), the images with these indices (n,)."""
        scene = self.scene
        raw_actions = self.agent(scene, targets)
        actions = scene.constrain(raw_actions, progress)
        image = self.canvas.render(self.renderer, actions, scene.background, noise_seed)
        window = Window(0, 0, *scene.size)
        return View(image, targets, window, progress, actions, raw_actions, self.dataset.labels(indices))

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "left": self._remaining, "batch": self.batch_size}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._remaining = state["left"]
        self.batch_size = state.get("batch", self.batch_size)  # halved if it did not fit into memory

    def output_names(self) -> list[str]:
        return [AGENT_FILE, SAMPLES_FILE]

    def write_outputs(self, folder: Path, finished: bool = False) -> list[Path]:
        recipe = self.recipe.portable()
        metadata = {key: recipe[key] for key in ("canvas", "renderer", "data", "steps", "seed", "size")}
        metadata |= {"constraint": recipe.get("constraint", {}), "space": self.renderer.space.name}
        # An agent that started from weights keeps their settings, which may differ from the recipe's.
        settings = self.agent.config.model_dump(mode="json", exclude_none=True, exclude={"weights"})
        metadata["agent"] = {"type": self.agent.name, **settings}
        weights.save(self.agent, metadata, folder / AGENT_FILE)
        save_png(self.sample_grid(), folder / SAMPLES_FILE)
        return [folder / AGENT_FILE, folder / SAMPLES_FILE]

    @torch.no_grad()
    def sample_grid(self) -> Tensor:
        """Return a grid (3, h, w) with images in the first row and the agent's pictures in the second.

        If another renderer than MyPaint is trained with, and MyPaint is installed and has the same action space, the
        third row shows the strokes rendered by it.
        """
        indices = torch.linspace(0, len(self.dataset) - 1, min(_SAMPLE_COUNT, len(self.dataset))).long()
        view = self.view(indices)
        assert view.target is not None
        assert view.actions is not None
        rows = [view.target, view.image]
        if self.recipe.blocks["renderer"].type != "mypaint" and (mypaint := self._mypaint_renderer()):
            rows.append(self.canvas.render(mypaint, view.actions, self.scene.background))
        padded = [F.pad(row.cpu().clamp(0, 1), (_SAMPLE_BORDER,) * 4, value=0.5) for row in rows]
        return torch.cat([torch.cat(list(row), dim=2) for row in padded], dim=1)

    def _mypaint_renderer(self) -> Renderer | None:
        """Return MyPaint with the brush of the renderer, or None if it is missing or has another action space."""
        if self._mypaint is None and "mypaint" in get_registry().components("renderer"):
            brush = getattr(self.renderer.config, "brush", None)
            try:
                mypaint = self.scene.make("renderer", "mypaint", surrogate="", **({"brush": brush} if brush else {}))
            except ArtkitError:
                return None
            if mypaint.space.name == self.renderer.space.name:
                self._mypaint = mypaint
        return self._mypaint


def _augment(images: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Apply a random affine transform to each image (n, 3, h, w); amount: see `Data.Config.vary`."""
    if not amount:
        return images
    offset = amount * (2 * torch.rand(len(images), 2, 3, generator=generator) - 1)
    grid = F.affine_grid(
        to_device(torch.eye(2, 3) + offset, images.device).to(images.dtype), list(images.shape), align_corners=False
    )
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
