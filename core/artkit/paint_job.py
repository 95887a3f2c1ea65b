"""Painting: agent, constraints, renderer, canvas, objectives and optimizer, in that order, again and again."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import tomli_w
import torch
from torch import Tensor

from artkit import images
from artkit.agent import Agent
from artkit.canvas import Canvas
from artkit.constraint import Constraint
from artkit.errors import UsageError
from artkit.geometry import Window
from artkit.objective import Objective, View
from artkit.painting import Painting
from artkit.recipe import Recipe
from artkit.renderer import Renderer
from artkit.run import Diverged, Job, build, check_finite, make_scene, seeded
from artkit.strokes import StrokeLog

PICTURE = "painting.png"
STROKES = "strokes.json"


class Paint(Job):
    """A painting in the making."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self.recipe, self.steps = recipe, recipe.head.steps
        with seeded(recipe.head.seed):
            self._build(recipe, device)

    def _build(self, recipe: Recipe, device: torch.device) -> None:
        self.scene = scene = make_scene(recipe, device)
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
        _check_memory(canvas, self.renderer)
        self.objectives: dict[str, Objective] = {
            name: build("objective", block.type, block.config, scene).to(device)
            for name, block in recipe.named["objective"].items()
        }
        scene.target = next((o.target for o in self.objectives.values() if o.target), None)
        if recipe.head.background == "target":
            if scene.target is None:
                raise UsageError('background: "target" needs an objective that has a target', remedy="give a colour")
            scene.background = scene.target.pixels.mean((0, 2, 3))
        agent: Agent = build("agent", blocks["agent"].type, blocks["agent"].config, scene)
        self.agent = agent.to(device)
        self.constraints: list[Constraint] = [
            build("constraint", block.type, block.config, scene).to(device)
            for block in recipe.named["constraint"].values()
        ]
        settings = recipe.head.optimizer
        self.optimizer = torch.optim.Adam(self.agent.parameters(), settings.lr)
        self.notes = scene.notes
        parts = {"renderer": self.renderer, "agent": self.agent} | {
            f"objective.{k}": o for k, o in self.objectives.items()
        }
        self.provenance = {f"{place}.{what}": s for place, part in parts.items() for what, s in part.provenance.items()}

    def step(self, step: int) -> dict[str, float]:
        progress = step / max(self.steps - 1, 1)
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(step)
        actions = self.actions(progress)
        image = self.canvas.render(self.renderer, actions, self.scene.background, self.scene.seed)
        view = View(image, None, Window(0, 0, *self.scene.size), progress)
        losses: dict[str, float] = {}
        loss = image.new_zeros(())
        views = {
            name: view.towards(o.target.window(view.window) if o.target else None)
            for name, o in self.objectives.items()
        }
        for name, objective in self.objectives.items():
            value = objective(views[name]).mean()
            loss = loss + objective.config.weight * value  # type: ignore[attr-defined]
            losses[name] = value.item()
        losses = {"loss": loss.item(), **losses}
        check_finite(losses)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if not all(bool(p.grad.isfinite().all()) for p in self.agent.parameters() if p.grad is not None):
            raise Diverged("the gradient stopped being a number", remedy="try a lower optimizer.lr")
        self.optimizer.step()
        for name, objective in self.objectives.items():
            objective.learn(views[name])
        return losses

    def actions(self, progress: float) -> Tensor:
        """The actions that the agent proposes and the constraints allow: (n, N, A)."""
        actions: Tensor = self.agent(self.scene)
        for constraint in self.constraints:
            actions = constraint(actions, progress)
        return actions

    def _rate(self, step: int) -> float:
        settings = self.recipe.head.optimizer
        rate = settings.lr * min(1.0, (step + 1) / (settings.warmup + 1))
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
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.agent.load_state_dict(state["agent"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, objective in self.objectives.items():
            objective.load_state_dict(state["objectives"][name])
        self.scene.generator.set_state(state["generator"])

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
            actions=self.actions(1.0)[0].float().cpu(),
            phases=self.canvas.phases,
            clip=self.canvas.clip,
        )

    def results(self, folder: Path) -> list[Path]:
        log = self.log()
        log.save(folder / STROKES)
        texts = {
            "Software": "artkit",
            "artkit:recipe": tomli_w.dumps(self.recipe.portable()),
            "artkit:seed": str(self.recipe.head.seed),
        }
        images.save_png(Painting(log, self.renderer).whole(), folder / PICTURE, texts)
        return [folder / PICTURE, folder / STROKES]


def _check_memory(canvas: Canvas, renderer: Renderer) -> None:
    """Raises UsageError if a step would need more memory than the machine has."""
    pixels = sum(p.strokes * (p.side + 2 * canvas.margin(renderer, p.side)) ** 2 for p in canvas.phases)
    need = pixels * 4 * 12  # a sheet's coverage, its features and what their gradients keep
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > 0.8 * there:
        raise UsageError(
            f"{canvas.strokes:,} strokes would take about {need / 2**30:.0f} GB a step; "
            f"this machine has {there / 2**30:.0f} GB",
            remedy="paint a smaller size, larger tiles, or fewer strokes",
        )
