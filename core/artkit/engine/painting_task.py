"""Painting: agent, constraints, renderer, canvas, objectives and optimizer, in that order, again and again."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w
import torch
from torch import Tensor
from torch.nn import functional as F

from artkit import memmap
from artkit.engine.memory_plan import MemoryPlan
from artkit.engine.optimization_task import OptimizationTask
from artkit.engine.task import check_finite
from artkit.files import atomic
from artkit.formatting import format_duration
from artkit.geometry.window import Window
from artkit.geometry.window_grid import WindowGrid
from artkit.imaging.pixels import downscale_pixels
from artkit.imaging.png import save_png, write_png
from artkit.interfaces.view import View
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.rendering.window_rendering import ActionLookup
from artkit.strokes.stroke_log import STROKES_FILE, StrokeLog

PAINTING_FILE = "painting.png"
PREVIEW_FILE = "preview.png"

_THUMBNAIL_SIDE = 512  # px of the longer side of a large picture as it is scored as a whole
_MIN_TIMED_STEPS = 20  # steps of the shortest run of which it is told how long it will take
_SHORT_RUN_SECONDS = 120  # seconds
_MAX_TARGET_PIXELS = 1 << 22  # px of a target that an agent looks at, at most
_THUMBNAIL_INTERVAL_STEPS = 8  # steps from one look at the whole to the next


class PaintingTask(OptimizationTask):
    """A painting in the making.

    A step renders, scores and improves one window of the picture. A picture that fits into memory is a single window,
    so a step is of the whole; a larger one is gone over window by window, in a new random order each time, and its
    recipe's `steps` say how often (`artkit.geometry.window_grid`).
    """

    def _plan(self) -> None:
        self.cost = MemoryPlan(self.canvas, self.renderer, max(o.margin for o in self.objectives.values()))
        self._go_over(self.cost.windows(self.recipe.settings.window))
        self._seen: Tensor | None = None

    @property
    def targets(self) -> Tensor | None:
        """What an agent that looks is shown of the picture to paint, (1, 3, h, w), reduced if it is large."""
        if self._seen is None and self.agent.uses_targets and self.scene.target is not None:
            self._seen = self.scene.target.thumbnail(_MAX_TARGET_PIXELS)[0]
        return self._seen

    def forecast(self) -> str:
        """What the run will take, in words, measured by trying a window, which changes nothing. "" for a picture that
        is seen whole and will soon be done.

        Raises UsageError if the disk has no room for it.
        """
        self.cost.check_disk(self.scene.action_count, len(self.renderer.space), self.scene.folder or Path.cwd())
        windows, generator = self.windows, self.scene.generator.get_state()
        seconds = 0.0
        if self.steps >= _MIN_TIMED_STEPS:
            window, core = windows.at(windows.count // 2, (0.0, 0.0))
            for _ in range(2):  # the first time much is made ready
                began = time.perf_counter()
                self._score(self._view(window, core, 0.0))[1].sum().backward()  # type: ignore[no-untyped-call]
                seconds = (time.perf_counter() - began) * self.steps
            self.optimizer.zero_grad(set_to_none=True)
            self.scene.generator.set_state(generator)
        if windows.count == 1 and seconds < _SHORT_RUN_SECONDS:
            return ""
        gigabytes = self.cost.bytes(windows.width, windows.height) / 2**30
        return (
            f"{self.canvas.stroke_count:,} strokes, {self.steps:,} steps of {windows.width} x {windows.height} px, "
            f"about {gigabytes:.1f} GB of memory" + (f", about {format_duration(seconds)}" if seconds else "")
        )

    def _go_over(self, windows: WindowGrid) -> None:
        """Take these windows: as many steps as it takes to see each of them as often as the recipe says."""
        self.windows, self.sweep = windows, windows.count
        self.steps = self.recipe.settings.steps * windows.count
        self._done = 0
        self._order, self._shift = torch.zeros(1, dtype=torch.int64), torch.zeros(2)
        width, height = self.scene.size
        # The whole picture, so small that it can be scored along with a window of it.
        self._shrink = 2 ** max(1, math.ceil(math.log2(max(width, height) / _THUMBNAIL_SIDE)))
        small = (height // self._shrink, width // self._shrink) if windows.count > 1 else (0, 0)
        self._coarse = self.scene.background.cpu().view(3, 1, 1).repeat(1, *small)

    def step(self, step: int) -> dict[str, float]:
        sweep, place = divmod(step, self.windows.count)
        if self.windows.count > 1 and not place:
            self._order = torch.randperm(self.windows.count, generator=self.scene.generator)
            self._shift = 2 * torch.rand(2, generator=self.scene.generator) - 1
        x, y = self._shift.tolist()
        window, core = self.windows.at(int(self._order[place]), (x, y))
        progress = step / max(self.steps - 1, 1)
        seen = self._view(window, core, progress)
        losses, each, views = self._score(seen)
        loss = each.sum()  # several pictures have nothing to do with each other
        if self.windows.count > 1:
            whole = self._with_window(seen.image, window)
            if sweep and step % _THUMBNAIL_INTERVAL_STEPS == 0:
                height, width = whole.shape[-2:]
                _, coarse, _ = self._score(View(whole, None, Window(0, 0, width, height, 1 / self._shrink), progress))
                # Of a mean over the whole the window has its share; that is to weigh as much as the window alone.
                share = window.width * window.height / (self.scene.size[0] * self.scene.size[1])
                loss = loss + coarse.sum() / share
            self._coarse = whole[0].detach().cpu()
        losses = {"loss": losses.pop("loss"), **losses}
        check_finite(losses)
        self._improve(step, loss)
        self.agent.on_step_end(each.detach(), progress)
        for name, view in views.items():
            self.objectives[name].training_step(view)
        self._done = step + 1
        memmap.release()
        return losses

    def _view(self, window: Window, core: Window, progress: float) -> View:
        """A window of the picture as it is now."""
        scene, whole = self.scene, self.windows.count == 1
        proposed = self.agent(scene, self.targets) if whole else None
        strokes = scene.constrain(proposed, progress) if proposed is not None else self._strokes(progress)
        image = self.canvas.render(
            self.renderer, strokes, scene.background, scene.seed, window, None if whole else core
        )
        painted = strokes if whole and isinstance(strokes, Tensor) else None
        return View(image, None, window, progress, painted, proposed)

    def _with_window(self, image: Tensor, window: Window) -> Tensor:
        """The whole picture as it was last seen, reduced, with a window as it is now: (n, 3, h, w)."""
        k = self._shrink
        height, width = self._coarse.shape[-2:]
        left, top = -(-window.x // k), -(-window.y // k)
        right, bottom = min((window.x + window.width) // k, width), min((window.y + window.height) // k, height)
        x, y = left * k - window.x, top * k - window.y
        part = F.avg_pool2d(image[:, :, y : y + (bottom - top) * k, x : x + (right - left) * k], k)
        whole = self._coarse.to(image).repeat(len(image), 1, 1, 1)
        whole[:, :, top:bottom, left:right] = part
        return whole

    def actions(self, progress: float) -> Tensor:
        """The actions that the agent proposes and the constraints allow: (n, N, A)."""
        return self.scene.constrain(self.agent(self.scene, self.targets), progress)

    def _strokes(self, progress: float) -> ActionLookup | Tensor:
        """All actions, or what gives those of some strokes if the picture is too large to ask for all."""
        if self.windows.count == 1:
            return self.actions(progress)

        def ask(numbers: Tensor) -> Tensor:
            return self.scene.constrain(self.agent.forward_subset(self.scene, numbers, self.targets), progress)

        if all(constraint.elementwise for constraint in self.constraints.values()):
            return ask
        return ask(torch.arange(self.scene.action_count))

    def state_dict(self) -> dict[str, Any]:
        sweep = {"order": self._order, "shift": self._shift, "coarse": self._coarse}
        return {**super().state_dict(), "windows": asdict(self.windows), "sweep": sweep}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        told = state["windows"]
        # Those it began with, also on a machine that would choose others.
        self._go_over(WindowGrid(**{**told, "size": tuple(told["size"])}))
        super().load_state_dict(state)
        self._order, self._shift = state["sweep"]["order"], state["sweep"]["shift"]
        self._coarse = state["sweep"]["coarse"]

    @torch.no_grad()
    def log(self) -> StrokeLog:
        """The strokes as they are now."""
        block = self.recipe.blocks["renderer"]
        red, green, blue = self.scene.background.tolist()
        return StrokeLog(
            size=self.recipe.settings.size,
            background=(red, green, blue),
            seed=self.recipe.settings.seed,
            renderer={"type": block.type, **self.renderer.config.model_dump(mode="json", exclude_none=True)},
            space=self.renderer.space.name,
            names=self.renderer.space.names,
            actions=self._final(),
            phases=self.canvas.phases,
            clip=self.canvas.clip,
        )

    @torch.no_grad()
    def evaluate(self) -> list[dict[str, Any]]:
        painting = RenderedPainting(self.log(), self.renderer, folder=self.scene.folder)
        return [
            {"objective": name, **row}
            for name, objective in self.objectives.items()
            for row in objective.evaluate(painting)
        ]

    def _final(self) -> Tensor:
        strokes = self._strokes(1.0)
        if isinstance(strokes, Tensor):
            return strokes[0].float().cpu()
        shape = (self.scene.action_count, len(self.renderer.space))
        actions = torch.from_numpy(memmap.zeros(shape, "float32", self.scene.folder))
        for some in torch.split(torch.arange(len(actions)), 1 << 18):
            actions[some] = strokes(some)[0].float().cpu()
            memmap.release()
        return actions

    def write_outputs(self, folder: Path) -> list[Path]:
        if self.windows.count > 1 and self._done < self.steps:
            # To paint all of it takes long, so until it is done there is only this to look at.
            save_png(self._coarse, folder / PREVIEW_FILE)
            return [folder / PREVIEW_FILE]
        log = self.log()
        log.save(folder / STROKES_FILE)
        texts = {
            "Software": "artkit",
            "artkit:recipe": tomli_w.dumps(self.recipe.portable()),
            "artkit:seed": str(self.recipe.settings.seed),
        }
        pixels = RenderedPainting(log, self.renderer, folder=folder).pixels()
        with atomic(folder / PAINTING_FILE) as temporary, temporary.open("wb") as stream:
            write_png(pixels, stream, texts)
        if self.windows.count == 1:
            return [folder / PAINTING_FILE, folder / STROKES_FILE]
        save_png(downscale_pixels(pixels, self._shrink), folder / PREVIEW_FILE)
        return [folder / PAINTING_FILE, folder / STROKES_FILE, folder / PREVIEW_FILE]
