"""What painting a picture and learning to paint have in common: the parts of a recipe, and how an agent improves."""

from __future__ import annotations

import math
from abc import abstractmethod
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from artkit.engine.optimizer import LazyAdam
from artkit.engine.task import Diverged, Task
from artkit.errors import UsageError
from artkit.interfaces.agent import Agent
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.constraint import Constraint, check_compatible
from artkit.interfaces.data import Data
from artkit.interfaces.objective import Objective
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.view import View
from artkit.recipes.building import build_component, scene_from_recipe, seeded
from artkit.recipes.recipe import Recipe


class OptimizationTask(Task):
    """The work of an agent: its actions become pictures, the objectives score them, the optimizer moves it.

    folder: the run's, where what is too large for memory may lie.
    """

    sweep: int = 1
    """How many steps it takes until every stroke has learnt once."""

    def __init__(self, recipe: Recipe, device: torch.device, folder: Path | None = None) -> None:
        self.recipe = recipe
        with seeded(recipe.settings.seed):
            self._build(device, folder)

    def _build(self, device: torch.device, folder: Path | None) -> None:
        recipe = self.recipe
        self.scene = scene = scene_from_recipe(recipe, device)
        scene.folder = folder
        self.renderer: Renderer = self._part("renderer").to(device)
        if not self.renderer.differentiable:
            raise UsageError(
                f'the renderer "{recipe.blocks["renderer"].type}" has no gradient, so nothing can be learnt through it',
                hint='give it a surrogate, such as surrogate = "gan"',
            )
        scene.renderer = self.renderer
        scene.canvas = self.canvas = cast(Canvas, self._part("canvas"))
        self.data: Data | None = self._part("data") if "data" in recipe.blocks else None
        scene.data = self.data
        self.objectives: dict[str, Objective] = {
            name: build_component("objective", block.type, block.config, scene).to(device)
            for name, block in recipe.named["objective"].items()
        }
        scene.target = next((o.target for o in self.objectives.values() if o.target), None)
        if recipe.settings.background == "target":
            if scene.target is None:
                raise UsageError('background: "target" needs an objective that has a target', hint="give a colour")
            scene.background = scene.target.thumbnail(1 << 20)[0].mean((0, 2, 3))
        self.constraints: dict[str, Constraint] = {
            name: build_component("constraint", block.type, block.config, scene).to(device)
            for name, block in recipe.named["constraint"].items()
        }
        if self.constraints:
            some = torch.rand(
                1, scene.action_count, len(self.renderer.space), generator=torch.Generator().manual_seed(0)
            )
            check_compatible(self.constraints, some.to(device))
        scene.constraints = tuple(self.constraints.values())
        for constraint in self.constraints.values():
            scene.background = constraint.transform_background(scene.background)
        self._plan()
        self.agent: Agent = self._part("agent").to(device)
        self.optimizer = LazyAdam(self.agent.parameters(), recipe.settings.optimizer.lr, folder)
        self.notes = scene.notes
        parts = {"renderer": self.renderer, "agent": self.agent} | {
            f"objective.{k}": o for k, o in self.objectives.items()
        }
        if self.data:
            parts["data"] = self.data
        self.provenance = {f"{place}.{what}": s for place, part in parts.items() for what, s in part.provenance.items()}

    def _part(self, kind: str) -> Any:
        block = self.recipe.blocks[kind]
        return build_component(kind, block.type, block.config, self.scene)

    @abstractmethod
    def _plan(self) -> None:
        """Set what depends on the canvas and the objectives, such as `steps`, and refuse what is too large, before the
        agent is built.
        """

    def _score(self, seen: View) -> tuple[dict[str, float], Tensor, dict[str, View]]:
        """The losses by name, the whole one of each picture (n,), and what each objective that takes part saw."""
        views = {
            name: seen.with_target(o.target.window(seen.window)) if o.target else seen
            for name, o in self.objectives.items()
            if o.weight(seen.progress) is not None
        }
        if not views:
            raise UsageError(
                f"no objective takes part at {seen.progress:.0%} of the run", hint="change their schedules of weights"
            )
        losses: dict[str, float] = {}
        each = seen.image.new_zeros(len(seen.image))
        for name, view in views.items():
            objective = self.objectives[name]
            value = objective(view)
            each = each + (objective.weight(seen.progress) or 0.0) * value
            losses[name] = value.mean().item()
        return {"loss": each.mean().item(), **losses}, each, views

    def _improve(self, step: int, loss: Tensor) -> None:
        """Move the agent's parameters along the gradient. Raises `Diverged` before it changes anything."""
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if not all(_is_finite(p.grad) for p in self.agent.parameters() if p.grad is not None):
            raise Diverged("the gradient stopped being a number", hint="try a lower optimizer.lr")
        self.optimizer.step()

    def _rate(self, step: int) -> float:
        settings = self.recipe.settings.optimizer
        rate = settings.lr * min(1.0, (step // self.sweep + 1) / (settings.warmup + 1))
        if settings.decay == "cosine":
            fall = 0.5 + 0.5 * math.cos(math.pi * step / max(self.steps, 1))
            rate *= settings.floor + (1 - settings.floor) * fall
        return rate

    def state_dict(self) -> dict[str, Any]:
        return {
            "agent": self.agent.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "objectives": {name: objective.state_dict() for name, objective in self.objectives.items()},
            "generator": self.scene.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.agent.load_state_dict(state["agent"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, objective in self.objectives.items():
            objective.load_state_dict(state["objectives"][name])
        self.scene.generator.set_state(state["generator"])


def _is_finite(gradient: Tensor) -> bool:
    return bool((gradient.coalesce().values() if gradient.is_sparse else gradient).isfinite().all())
