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

from artkit import images, scratch
from artkit.agent import Agent
from artkit.canvas import Canvas
from artkit.compositing import Strokes
from artkit.constraint import Constraint, check_together
from artkit.cost import Cost
from artkit.errors import UsageError
from artkit.files import atomic
from artkit.geometry import Window
from artkit.objective import Objective, View
from artkit.optimizer import Adam
from artkit.painting import Painting
from artkit.recipe import Recipe
from artkit.renderer import Renderer
from artkit.run import Diverged, Job, build, check_finite, make_scene, seeded
from artkit.strokes import StrokeLog
from artkit.windows import Windows

PICTURE = "painting.png"
PREVIEW = "preview.png"
STROKES = "strokes.json"

_COARSE = 512  # px of the longer side of a large picture as it is scored as a whole
_WORTH_TRYING = 20  # steps of the shortest run of which it is told how long it will take
_SOON = 120  # seconds
_EVERY = 8  # steps from one look at the whole to the next


class Paint(Job):
    """A painting in the making. folder: the run's, where what is too large for memory may lie.

    A step renders, scores and improves one window of the picture. A picture that fits into memory is a single window,
    so a step is of the whole; a larger one is gone over window by window, in a new random order each time, and its
    recipe's `steps` say how often (`artkit.windows`).
    """

    def __init__(self, recipe: Recipe, device: torch.device, folder: Path | None = None) -> None:
        self.recipe = recipe
        with seeded(recipe.head.seed):
            self._build(recipe, device, folder)

    def _build(self, recipe: Recipe, device: torch.device, folder: Path | None) -> None:
        self.scene = scene = make_scene(recipe, device)
        scene.folder = folder
        blocks = recipe.blocks
        renderer: Renderer = build("renderer", blocks["renderer"].type, blocks["renderer"].config, scene)
        if not renderer.differentiable:
            raise UsageError(
                f'the renderer "{blocks["renderer"].type}" has no gradient, so nothing can be learnt through it',
                remedy='give it a surrogate, such as surrogate = "gan"',
            )
        scene.renderer = self.renderer = renderer.to(device)
        canvas: Canvas = build("canvas", blocks["canvas"].type, blocks["canvas"].config, scene)
        scene.canvas = self.canvas = canvas
        self.objectives: dict[str, Objective] = {
            name: build("objective", block.type, block.config, scene).to(device)
            for name, block in recipe.named["objective"].items()
        }
        scene.target = next((o.target for o in self.objectives.values() if o.target), None)
        if recipe.head.background == "target":
            if scene.target is None:
                raise UsageError('background: "target" needs an objective that has a target', remedy="give a colour")
            scene.background = scene.target.small(1 << 20)[0].mean((0, 2, 3))
        self.cost = Cost(canvas, self.renderer, max(o.margin for o in self.objectives.values()))
        windows = self.cost.windows(recipe.head.window)
        agent: Agent = build("agent", blocks["agent"].type, blocks["agent"].config, scene)
        self.agent = agent.to(device)
        self.constraints: list[Constraint] = [
            build("constraint", block.type, block.config, scene).to(device)
            for block in recipe.named["constraint"].values()
        ]
        if self.constraints:
            some = torch.rand(1, scene.actions, len(self.renderer.space), generator=torch.Generator().manual_seed(0))
            check_together(dict(zip(recipe.named["constraint"], self.constraints, strict=True)), some.to(device))
        for constraint in self.constraints:
            scene.background = constraint.ground(scene.background)
        self._go_over(windows)
        self.optimizer = Adam(self.agent.parameters(), recipe.head.optimizer.lr, folder)
        self.notes = scene.notes
        parts = {"renderer": self.renderer, "agent": self.agent} | {
            f"objective.{k}": o for k, o in self.objectives.items()
        }
        self.provenance = {f"{place}.{what}": s for place, part in parts.items() for what, s in part.provenance.items()}

    def forecast(self) -> str:
        """What the run will take, in words, measured by trying a window, which changes nothing. "" for a picture that
        is seen whole and will soon be done.

        Raises UsageError if the disk has no room for it.
        """
        self.cost.check_disk(len(self.renderer.space), self.scene.folder or Path.cwd())
        windows, generator = self.windows, self.scene.generator.get_state()
        seconds = 0.0
        if self.steps >= _WORTH_TRYING:
            window, core = windows.at(windows.count // 2, (0.0, 0.0))
            for _ in range(2):  # the first time much is made ready
                began = time.perf_counter()
                self._score(self._view(window, core, 0.0))[1].backward()  # type: ignore[no-untyped-call]
                seconds = (time.perf_counter() - began) * self.steps
            self.optimizer.zero_grad(set_to_none=True)
            self.scene.generator.set_state(generator)
        if windows.count == 1 and seconds < _SOON:
            return ""
        gigabytes = self.cost.bytes(windows.width, windows.height) / 2**30
        return (
            f"{self.canvas.strokes:,} strokes, {self.steps:,} steps of {windows.width} x {windows.height} px, "
            f"about {gigabytes:.1f} GB of memory" + (f", {duration(seconds)}" if seconds else "")
        )

    def _go_over(self, windows: Windows) -> None:
        """Take these windows: as many steps as it takes to see each of them as often as the recipe says."""
        self.windows = windows
        self.steps = self.recipe.head.steps * windows.count
        self._done = 0
        self._order, self._shift = torch.zeros(1, dtype=torch.int64), torch.zeros(2)
        width, height = self.scene.size
        # The whole picture, so small that it can be scored along with a window of it.
        self._shrink = 2 ** max(1, math.ceil(math.log2(max(width, height) / _COARSE)))
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
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(step)
        seen = self._view(window, core, progress)
        losses, loss, views = self._score(seen)
        if self.windows.count > 1:
            whole = self._with_window(seen.image, window)
            if sweep and step % _EVERY == 0:
                height, width = whole.shape[-2:]
                _, coarse, _ = self._score(View(whole, None, Window(0, 0, width, height, 1 / self._shrink), progress))
                # Of a mean over the whole the window has its share; that is to weigh as much as the window alone.
                share = window.width * window.height / (self.scene.size[0] * self.scene.size[1])
                loss = loss + coarse / share
            self._coarse = whole[0].detach().cpu()
        losses = {"loss": losses.pop("loss"), **losses}
        check_finite(losses)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if not all(_is_finite(p.grad) for p in self.agent.parameters() if p.grad is not None):
            raise Diverged("the gradient stopped being a number", remedy="try a lower optimizer.lr")
        self.optimizer.step()
        for name, objective in self.objectives.items():
            objective.learn(views[name])
        self._done = step + 1
        scratch.release()
        return losses

    def _view(self, window: Window, core: Window, progress: float) -> View:
        """A window of the picture as it is now."""
        scene, whole = self.scene, self.windows.count == 1
        proposed = self.agent(scene) if whole else None
        strokes = self._allowed(proposed, progress) if proposed is not None else self._strokes(progress)
        image = self.canvas.render(
            self.renderer, strokes, scene.background, scene.seed, window, None if whole else core
        )
        painted = strokes if whole and isinstance(strokes, Tensor) else None
        return View(image, None, window, progress, painted, proposed)

    def _score(self, seen: View) -> tuple[dict[str, float], Tensor, dict[str, View]]:
        """The losses by name, the whole one as a tensor, and what each objective saw."""
        views = {
            name: seen.towards(o.target.window(seen.window) if o.target else None)
            for name, o in self.objectives.items()
        }
        losses: dict[str, float] = {}
        loss = seen.image.new_zeros(())
        for name, objective in self.objectives.items():
            value = objective(views[name]).mean()
            loss = loss + objective.config.weight * value  # type: ignore[attr-defined]
            losses[name] = value.item()
        return {"loss": loss.item(), **losses}, loss, views

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
        return self._allowed(self.agent(self.scene), progress)

    def _allowed(self, actions: Tensor, progress: float) -> Tensor:
        for constraint in self.constraints:
            actions = constraint(actions, progress)
        return actions

    def _strokes(self, progress: float) -> Strokes | Tensor:
        """All actions, or what gives those of some strokes if the picture is too large to ask for all."""
        if self.windows.count == 1:
            return self.actions(progress)

        def ask(numbers: Tensor) -> Tensor:
            return self._allowed(self.agent.strokes(self.scene, numbers), progress)

        if all(constraint.alone for constraint in self.constraints):
            return ask
        return ask(torch.arange(self.scene.actions))

    def _rate(self, step: int) -> float:
        settings = self.recipe.head.optimizer
        rate = settings.lr * min(1.0, (step // self.windows.count + 1) / (settings.warmup + 1))
        if settings.decay == "cosine":
            fall = 0.5 + 0.5 * math.cos(math.pi * step / max(self.steps, 1))
            rate *= settings.floor + (1 - settings.floor) * fall
        return rate

    def state(self) -> dict[str, Any]:
        return {
            "agent": self.agent.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "objectives": {name: objective.state_dict() for name, objective in self.objectives.items()},
            "generator": self.scene.generator.get_state(),
            "windows": asdict(self.windows),
            "sweep": {"order": self._order, "shift": self._shift, "coarse": self._coarse},
        }

    def restore(self, state: dict[str, Any]) -> None:
        told = state["windows"]
        # Those it began with, also on a machine that would choose others.
        self._go_over(Windows(**{**told, "size": tuple(told["size"])}))
        self.agent.load_state_dict(state["agent"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, objective in self.objectives.items():
            objective.load_state_dict(state["objectives"][name])
        self.scene.generator.set_state(state["generator"])
        self._order, self._shift = state["sweep"]["order"], state["sweep"]["shift"]
        self._coarse = state["sweep"]["coarse"]

    @torch.no_grad()
    def log(self) -> StrokeLog:
        """The strokes as they are now."""
        block = self.recipe.blocks["renderer"]
        red, green, blue = self.scene.background.tolist()
        return StrokeLog(
            size=self.recipe.head.size,
            background=(red, green, blue),
            seed=self.recipe.head.seed,
            renderer={"type": block.type, **self.renderer.config.model_dump(mode="json", exclude_none=True)},
            space=self.renderer.space.name,
            names=self.renderer.space.names,
            actions=self._final(),
            phases=self.canvas.phases,
            clip=self.canvas.clip,
        )

    @torch.no_grad()
    def verdicts(self) -> list[dict[str, Any]]:
        painting = Painting(self.log(), self.renderer)
        return [
            {"objective": name, **row}
            for name, objective in self.objectives.items()
            for row in objective.verdicts(painting)
        ]

    def _final(self) -> Tensor:
        strokes = self._strokes(1.0)
        if isinstance(strokes, Tensor):
            return strokes[0].float().cpu()
        shape = (self.scene.actions, len(self.renderer.space))
        actions = torch.from_numpy(scratch.zeros(shape, "float32", self.scene.folder))
        for some in torch.split(torch.arange(len(actions)), 1 << 18):
            actions[some] = strokes(some)[0].float().cpu()
            scratch.release()
        return actions

    def results(self, folder: Path) -> list[Path]:
        if self.windows.count > 1 and self._done < self.steps:
            # To paint all of it takes long, so until it is done there is only this to look at.
            images.save_png(self._coarse, folder / PREVIEW)
            return [folder / PREVIEW]
        log = self.log()
        log.save(folder / STROKES)
        texts = {
            "Software": "artkit",
            "artkit:recipe": tomli_w.dumps(self.recipe.portable()),
            "artkit:seed": str(self.recipe.head.seed),
        }
        pixels = Painting(log, self.renderer, folder=folder).pixels()
        with atomic(folder / PICTURE) as temporary, temporary.open("wb") as stream:
            images.write_png(pixels, stream, texts)
        if self.windows.count == 1:
            return [folder / PICTURE, folder / STROKES]
        images.save_png(images.reduced(pixels, self._shrink), folder / PREVIEW)
        return [folder / PICTURE, folder / STROKES, folder / PREVIEW]


def duration(seconds: float) -> str:
    """A length of time in words, such as ``about 12 min``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"about {seconds / length:.0f} {unit}"
    return f"about {seconds:.0f} s"


def _is_finite(gradient: Tensor) -> bool:
    return bool((gradient.coalesce().values() if gradient.is_sparse else gradient).isfinite().all())
