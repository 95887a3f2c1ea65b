"""OptimizationTask: what painting and agent training share.

Building the components of a recipe, the weighted sum of the objectives, the learning rate and the optimizer's step.
"""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor

from artkit.devices import synchronize
from artkit.engine.background import colour_of_padded_target, load_background
from artkit.engine.changes import Changes, CurrentSettings
from artkit.engine.optimizer import LazyAdam
from artkit.engine.task import Task, read_losses
from artkit.errors import UsageError
from artkit.interfaces.agent import Agent
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.component import Component
from artkit.interfaces.constraint import Constraint, LevelConstraint, check_compatible
from artkit.interfaces.data import Data
from artkit.interfaces.objective import Objective
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.view import View
from artkit.recipes.building import build_component, scene_from_recipe, seeded
from artkit.recipes.recipe import Block, Recipe
from artkit.rendering.layout import StrokeLayout
from artkit.strokes.film_strokes import POINTS

_BACKGROUND_PIXELS = 1 << 20  # px of the target, at most, from which its mean colour is computed


Images = Mapping[Path, Image.Image] | None
"""Images that stand for files of a recipe; see `Scene.images`."""


class OptimizationTask(Task):
    """Optimise the parameters of an agent: its actions are rendered and the objectives score the picture.

    folder: where arrays that do not fit into memory are stored. images: images that stand for files of the recipe, see
    `Scene.images`.
    """

    steps_before: int = 0
    """The number of steps of earlier runs whose state this one goes on from."""

    def __init__(self, recipe: Recipe, device: torch.device, folder: Path | None = None, images: Images = None) -> None:
        self.recipe, self.changes = recipe, Changes(recipe.settings)
        with seeded(recipe.settings.seed):
            self._build(device, folder, images or {})

    def _build(self, device: torch.device, folder: Path | None, images: Mapping[Path, Image.Image]) -> None:
        """Build the components; each finds in the scene those that were built before it."""
        recipe = self.recipe
        self.scene = scene = scene_from_recipe(recipe, device)
        self.notes = scene.notes
        scene.folder, scene.images = folder, dict(images)
        if isinstance(recipe.settings.background, Path):
            image = load_background(recipe.settings.background, scene.size, device, scene.notes)
            scene.background_image, scene.background = image, image.mean_colour
        self.renderer: Renderer = self._build_block("renderer").to(device)
        if not self.renderer.differentiable:
            raise UsageError(
                f'the renderer "{recipe.blocks["renderer"].type}" cannot paint a new picture: it has no gradient',
                hint='choose another; it can render a finished painting. With mypaint, leave out surrogate = ""',
            )
        scene.renderer = self.renderer
        scene.canvas = self.canvas = cast(Canvas, self._build_block("canvas"))
        self.data: Data | None = self._build_block("data") if "data" in recipe.blocks else None
        scene.data = self.data
        padding = colour_of_padded_target(recipe, scene) if recipe.settings.background == "target" else None
        scene.background = scene.background if padding is None else padding
        self.objectives: dict[str, Objective] = {
            name: build_component("objective", block.type, block.config, scene).to(device)
            for name, block in recipe.named["objective"].items()
        }
        scene.target = next((o.target for o in self.objectives.values() if o.target), None)
        if self.canvas.uses_target and scene.target is not None:
            self.canvas.phases = self.canvas.layout(scene)
        if recipe.settings.background == "target" and padding is None:
            scene.background = self._target_colour()
        self.constraints = {
            name: self._build_constraint(name, block).to(device) for name, block in recipe.named["constraint"].items()
        }
        if self.constraints:
            shape = (1, scene.action_count, len(self.renderer.space))
            actions = torch.rand(shape, generator=torch.Generator().manual_seed(0))
            check_compatible(self.constraints, actions.to(device))
        scene.constraints = tuple(self.constraints.values())
        for constraint in self.constraints.values():
            scene.background = constraint.transform_background(scene.background)
        self._plan()
        self.agent: Agent = self._build_block("agent").to(device)
        optimizer = recipe.settings.optimizer
        self.optimizer = LazyAdam(self.agent.parameters(), optimizer.lr, optimizer.betas, folder)
        self.provenance = self._collect_provenance()

    def _build_block(self, kind: str) -> Any:
        block = self.recipe.blocks[kind]
        return build_component(kind, block.type, block.config, self.scene)

    def _build_constraint(self, name: str, block: Block) -> Constraint:
        """Build a constraint; one on single levels is built for a canvas of their strokes."""
        levels = getattr(block.config, "levels", None)
        if levels is None:
            return cast(Constraint, build_component("constraint", block.type, block.config, self.scene))
        existing = self.canvas.levels
        if max(levels) > len(existing):
            count = "only one level" if len(existing) == 1 else f"{len(existing)} levels"
            raise UsageError(
                f"constraint.{name}.levels: there is no level {max(levels)}; the canvas has {count}",
                hint='level 1 is the one painted first; canvas.type = "pyramid" has several',
            )
        phases = [phase for index, level in enumerate(existing, 1) for phase in level if index in levels]
        selected = torch.zeros(self.scene.action_count, dtype=torch.bool)
        for phase in phases:
            selected[phase.first : phase.first + phase.stroke_count] = True
        own_scene = replace(self.scene, canvas=StrokeLayout(self.canvas.size, phases, self.canvas.clip))
        constraint = build_component("constraint", block.type, block.config, own_scene)
        return LevelConstraint(constraint, selected, self.scene)

    @property
    def strokes_have_points(self) -> bool:
        """Whether the renderer has strokes that a start, a middle and an end point place in their tiles."""
        return not self.renderer.shared and self.renderer.space.has(*POINTS)

    def constraints_of_canvas(self) -> list[str]:
        """Return the names of the constraints that need all strokes in the order and place of the canvas."""
        return [
            name
            for name, constraint in self.constraints.items()
            if not constraint.elementwise or isinstance(constraint, LevelConstraint)
        ]

    def _target_colour(self) -> Tensor:
        """Return the mean colour (3,) of the target. Raises UsageError if no objective has a target."""
        if self.scene.target is None:
            raise UsageError(
                'background: "target" needs an objective that has a target', hint="set the background to a colour"
            )
        return self.scene.target.thumbnail(_BACKGROUND_PIXELS)[0].mean((0, 2, 3))

    def _collect_provenance(self) -> dict[str, str]:
        components: dict[str, Component] = {"renderer": self.renderer, "agent": self.agent}
        components |= {f"objective.{name}": objective for name, objective in self.objectives.items()}
        if self.data:
            components["data"] = self.data
        return {
            f"{place}.{key}": checksum
            for place, component in components.items()
            for key, checksum in component.provenance.items()
        }

    def measure_step(self) -> float:
        """Return the seconds of a step, from one that changes nothing."""
        seconds, generator = 0.0, self.scene.generator.get_state()
        try:
            for _ in range(2):  # the first step initialises caches
                started = time.perf_counter()
                self._trial_losses().sum().backward()  # type: ignore[no-untyped-call]
                synchronize(self.scene.device)
                seconds = time.perf_counter() - started
        finally:
            self.optimizer.zero_grad(set_to_none=True)
            self.scene.generator.set_state(generator)
        return seconds

    @abstractmethod
    def _trial_losses(self) -> Tensor:
        """Return the losses (n,) of a typical step, from which `measure_step` computes gradients."""

    def _store_random_numbers(self) -> None:
        """Store the state of the random generator at the start of a step, for `_restore_random_numbers`."""
        self._generator_state = self.scene.generator.get_state()

    def _restore_random_numbers(self) -> None:
        """Let the step that ran out of memory draw the same random numbers again."""
        self.scene.generator.set_state(self._generator_state)
        self.optimizer.zero_grad(set_to_none=True)

    @abstractmethod
    def _plan(self) -> None:
        """Set `steps` and what else follows from canvas and objectives, before the agent is built.

        Raises UsageError if a step does not fit into memory.
        """

    def score(self, view: View) -> tuple[dict[str, Tensor], Tensor, dict[str, View]]:
        """Compute the weighted sum of the objectives that are active at the view's progress.

        Returns the losses by name, their mean over the images; the total of each image (n,), with gradient; and the
        view of each active objective, with its target.
        """
        views = {name: o.view(view) for name, o in self.objectives.items() if o.weight(view.progress) is not None}
        if not views:
            raise UsageError(
                f"all objectives have weight 0 at {view.progress:.0%} of the run, so there is nothing to paint for",
                hint="change the schedules of their weights",
            )
        losses: dict[str, Tensor] = {}
        per_image_loss = view.image.new_zeros(len(view.image))
        for name, objective_view in views.items():
            objective = self.objectives[name]
            value = objective(objective_view)
            per_image_loss = per_image_loss + (objective.weight(view.progress) or 0.0) * value
            losses[name] = value.detach().mean()
        return {"loss": per_image_loss.detach().mean(), **losses}, per_image_loss, views

    def _current_settings(self, step: int) -> CurrentSettings:
        """Return the settings that hold at a step, after the recipe's changes."""
        return self.changes.at(step // self.steps_per_epoch)

    def changes_at(self, step: int) -> dict[str, Any]:
        return {} if step % self.steps_per_epoch else self.changes.starting_at(step // self.steps_per_epoch)

    def begin_step(self, step: int) -> None:
        """Apply the changes up to a step to the objectives.

        Where an objective stops to act, the strokes stay as they are.
        """
        if "weight_images" in self.changes_at(step):
            self.optimizer.forget_momentum()
        current = self._current_settings(step)
        for name, objective in self.objectives.items():
            objective.change(current.weights.get(name), current.weight_images.get(name))

    def _progress(self, step: int) -> float:
        """Return the fraction of the run at a step, in [0, 1]."""
        return min(1.0, step / max(self._current_settings(step).steps * self.steps_per_epoch - 1, 1))

    def _compute_gradient(self, loss: Tensor) -> None:
        """Compute the gradient of a loss with respect to the agent's parameters, in place of the last one."""
        self.optimizer.zero_grad(set_to_none=True)
        if loss.requires_grad:  # else the core of the window has no strokes, as its borders move
            loss.backward()  # type: ignore[no-untyped-call]

    def _optimizer_step(self, step: int, losses: Mapping[str, Tensor]) -> dict[str, float]:
        """Follow the gradient and return the losses, scalars by name, as numbers.

        Raises `Diverged` before anything changes if one of them or a gradient is not finite.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate(step)
        read = read_losses(losses, (p.grad for p in self.agent.parameters() if p.grad is not None))
        self.optimizer.step()
        return read

    def _learning_rate(self, step: int) -> float:
        """Return the learning rate of a step: linear warm-up over epochs, then constant or cosine decay."""
        settings, current = self.recipe.settings.optimizer, self._current_settings(step)
        epoch = (step + self.steps_before) // self.steps_per_epoch
        rate = current.lr * min(1.0, (epoch + 1) / (settings.warmup + 1))
        if settings.decay == "cosine":
            cosine = 0.5 + 0.5 * math.cos(math.pi * step / max(current.steps * self.steps_per_epoch, 1))
            rate *= settings.floor + (1 - settings.floor) * cosine
        return rate

    def schedules(self) -> list[str]:
        components: dict[str, Component] = {"agent": self.agent}
        components |= {f"objective.{name}": objective for name, objective in self.objectives.items()}
        components |= {f"constraint.{name}": constraint for name, constraint in self.constraints.items()}
        places = [f"{place}.{key}" for place, component in components.items() for key in component.scheduled]
        return ["optimizer.decay"] * (self.recipe.settings.optimizer.decay != "none") + places

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
