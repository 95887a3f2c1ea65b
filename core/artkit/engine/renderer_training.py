"""Renderer training: run the trainer of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from artkit.engine.task import Task, check_finite
from artkit.imaging.png import save_png
from artkit.interfaces.trainer import Trainer
from artkit.recipes.building import scene_from_recipe, seeded
from artkit.recipes.recipe import Recipe
from artkit.registry.plugin_registry import get_registry

SAMPLES_FILE = "sheet.png"


class RendererTrainingTask(Task):
    """Train the weights of a renderer with the trainer of a recipe.

    folder: of the run, where the trainer stores its training data.
    """

    def __init__(self, recipe: Recipe, device: torch.device, folder: Path) -> None:
        self.steps = recipe.settings.steps
        self.scene = scene = scene_from_recipe(recipe, device)
        block = recipe.blocks["trainer"]
        with seeded(recipe.settings.seed):
            self.trainer: Trainer = get_registry().component("trainer", block.type)(
                block.config, scene, self.steps, folder
            )
        self.notes, self.provenance = scene.notes, {}
        self._memory_reductions = 0
        self._generator_state = scene.generator.get_state()

    def prepare(self) -> None:
        self.trainer.prepare()

    def schedules(self) -> list[str]:
        return ["trainer"]  # its learning rates and stages are shares of the steps

    def step(self, step: int) -> dict[str, float]:
        self._generator_state = self.scene.generator.get_state()
        losses = self.trainer.step(step)
        check_finite(losses)
        return losses

    def reduce_memory(self, step: int) -> tuple[int, str] | None:
        smaller = self.trainer.reduce_memory()
        if smaller is None:
            return None
        self._memory_reductions += 1
        self.scene.generator.set_state(self._generator_state)
        self.trainer.zero_grad(set_to_none=True)
        return step, smaller

    def state_dict(self) -> dict[str, Any]:
        return {
            "trainer": self.trainer.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.trainer.optimizers().items()},
            "generator": self.scene.generator.get_state(),
            "memory_reductions": self._memory_reductions,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.trainer.load_state_dict(state["trainer"])
        for name, optimizer in self.trainer.optimizers().items():
            optimizer.load_state_dict(state["optimizers"][name])
        for _ in range(state.get("memory_reductions", 0)):
            self.reduce_memory(0)
        self.scene.generator.set_state(state["generator"])

    def output_names(self) -> list[str]:
        return ["the weights", SAMPLES_FILE]

    def write_outputs(self, folder: Path, finished: bool = False) -> list[Path]:
        weights = self.trainer.save(folder)
        save_png(self.trainer.sample()[:3], folder / SAMPLES_FILE)
        return [weights, folder / SAMPLES_FILE]
