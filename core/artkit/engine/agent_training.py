"""Learning to paint: an agent that looks paints batch after batch of a data set's pictures (paper §3, §4)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from artkit import weights
from artkit.engine.memory_plan import MemoryPlan
from artkit.engine.optimization_task import OptimizationTask
from artkit.engine.task import check_finite
from artkit.errors import ArtkitError, UsageError
from artkit.formatting import format_duration
from artkit.geometry.window import Window
from artkit.imaging.png import save_png
from artkit.interfaces.data import Data
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.view import View
from artkit.memory import check_memory
from artkit.registry.plugin_registry import get_registry

AGENT_FILE = "agent.safetensors"
SAMPLES_FILE = "sheet.png"

_SAMPLE_COUNT = 16  # pictures on the sheet
_SAMPLE_BORDER = 2  # px between them


class AgentTrainingTask(OptimizationTask):
    """An agent in the making.

    Each step paints the pictures of a batch. All pictures come once, in a random order, before any comes again. The
    grain of strokes is another one in each step: an agent that learnt it by heart would paint well with no other.
    """

    def _plan(self) -> None:
        block = self.recipe.blocks["data"]
        assert self.data is not None
        self.dataset: Data = self.data
        self.batch: int = block.config.batch
        self._vary: float = block.config.vary
        self.steps = self.recipe.settings.steps
        self._left = torch.zeros(0, dtype=torch.int64)  # numbers of the pictures that are still to come in this pass
        self._real: Renderer | None = None
        margin = max(o.margin for o in self.objectives.values())
        self._bytes = self.batch * MemoryPlan(self.canvas, self.renderer, margin).bytes(*self.scene.size)
        check_memory(
            self._bytes,
            f"a step of {self.batch} pictures with {self.canvas.stroke_count:,} strokes each would take",
            hint="set a smaller data.batch, or fewer strokes",
        )
        name = self.recipe.blocks["agent"].type
        if not get_registry().component("agent", name).uses_targets:
            raise UsageError(f'the agent "{name}" does not look at what it paints', hint='take agent.type = "lstm"')

    def forecast(self) -> str:
        """What the training will take, in words, measured by trying a step, which changes nothing."""
        generator = self.scene.generator.get_state()
        some = torch.arange(self.batch) % len(self.dataset)
        seconds = 0.0
        for _ in range(2):  # the first time much is made ready
            began = time.perf_counter()
            self._score(self.view(some, 0.0))[1].mean().backward()  # type: ignore[no-untyped-call]
            seconds = (time.perf_counter() - began) * self.steps
        self.optimizer.zero_grad(set_to_none=True)
        self.scene.generator.set_state(generator)
        return (
            f"{len(self.dataset):,} pictures, {self.steps:,} steps of {self.batch} with {self.canvas.stroke_count:,} strokes "
            f"each, about {self._bytes / 2**30:.1f} GB of memory, about {format_duration(seconds)}"
        )

    def step(self, step: int) -> dict[str, float]:
        numbers = self._draw()
        targets = _augment(self.dataset.images(numbers), self._vary, self.scene.generator)
        grain = int(torch.randint(1 << 62, (), generator=self.scene.generator))
        seen = self._view(numbers, targets, step / max(self.steps - 1, 1), grain)
        losses, each, views = self._score(seen)
        check_finite(losses)
        self._improve(step, each.mean())
        for name, view in views.items():
            self.objectives[name].training_step(view)
        return losses

    def _draw(self) -> Tensor:
        """The numbers (batch,) of the next pictures."""
        while len(self._left) < self.batch:
            again = torch.randperm(len(self.dataset), generator=self.scene.generator)
            self._left = torch.cat([self._left, again])
        drawn, self._left = self._left[: self.batch], self._left[self.batch :]
        return drawn

    def view(self, numbers: Tensor, progress: float = 1.0) -> View:
        """The pictures with these numbers (n,) as they are, and what the agent makes of them."""
        return self._view(numbers, self.dataset.images(numbers), progress)

    def _view(self, numbers: Tensor, targets: Tensor, progress: float, seed: int = 0) -> View:
        """What the agent makes of targets (n, 3, h, w), which show the pictures with these numbers, with the grain that
        a seed gives.
        """
        scene = self.scene
        proposed = self.agent(scene, targets)
        actions = scene.constrain(proposed, progress)
        image = self.canvas.render(self.renderer, actions, scene.background, seed)
        window = Window(0, 0, *scene.size)
        return View(image, targets, window, progress, actions, proposed, self.dataset.labels(numbers))

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "left": self._left}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._left = state["left"]

    def write_outputs(self, folder: Path) -> list[Path]:
        tree = self.recipe.portable()
        facts = {key: tree[key] for key in ("canvas", "renderer", "data", "steps", "seed", "size")}
        # An agent that began with weights has their settings, whatever the recipe says.
        own = self.agent.config.model_dump(mode="json", exclude_none=True, exclude={"weights"})
        told = {"constraint": tree.get("constraint", {}), "space": self.renderer.space.name}
        weights.save(self.agent, {**facts, **told, "agent": {"type": self.agent.name, **own}}, folder / AGENT_FILE)
        save_png(self.sheet(), folder / SAMPLES_FILE)
        return [folder / AGENT_FILE, folder / SAMPLES_FILE]

    @torch.no_grad()
    def sheet(self) -> Tensor:
        """Some pictures, below each what was painted of it and, if that was not MyPaint's work, what MyPaint makes of
        the strokes, if it is there: (3, h, w).
        """
        numbers = torch.linspace(0, len(self.dataset) - 1, min(_SAMPLE_COUNT, len(self.dataset))).long()
        view = self.view(numbers)
        assert view.target is not None
        assert view.actions is not None
        rows = [view.target, view.image]
        if self.recipe.blocks["renderer"].type != "mypaint" and (real := self._mypaint()):
            rows.append(self.canvas.render(real, view.actions, self.scene.background))
        framed = [F.pad(row.cpu().clamp(0, 1), (_SAMPLE_BORDER,) * 4, value=0.5) for row in rows]
        return torch.cat([torch.cat(list(row), dim=2) for row in framed], dim=1)

    def _mypaint(self) -> Renderer | None:
        """The real program, if it is installed and its strokes are those of the renderer."""
        if self._real is None and "mypaint" in get_registry().components("renderer"):
            brush = getattr(self.renderer.config, "brush", None)
            try:
                made = self.scene.make("renderer", "mypaint", surrogate="", **({"brush": brush} if brush else {}))
            except ArtkitError:
                return None
            if made.space.name == self.renderer.space.name:
                self._real = made
        return self._real


def _augment(pictures: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Pictures (n, 3, h, w) shifted, scaled, slanted and turned at random, each in a way of its own."""
    if not amount:
        return pictures
    change = amount * (2 * torch.rand(len(pictures), 2, 3, generator=generator) - 1)
    grid = F.affine_grid((torch.eye(2, 3) + change).to(pictures), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
