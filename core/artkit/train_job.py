"""Training: the job of a recipe with a trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from artkit import images
from artkit.plugins import plugins
from artkit.recipe import Recipe
from artkit.run import Job, check_finite
from artkit.scenes import make_scene, seeded
from artkit.trainer import Trainer


class Train(Job):
    """Weights in the making."""

    def __init__(self, recipe: Recipe, device: torch.device, folder: Path) -> None:
        self.steps = recipe.head.steps
        self.scene = scene = make_scene(recipe, device)
        block = recipe.blocks["trainer"]
        with seeded(recipe.head.seed):
            self.trainer: Trainer = plugins().part("trainer", block.type)(block.config, scene, self.steps, folder)
        self.notes, self.provenance = scene.notes, {}

    def prepare(self) -> None:
        self.trainer.prepare()

    def step(self, step: int) -> dict[str, float]:
        losses = self.trainer.step(step)
        check_finite(losses)
        return losses

    def state(self) -> dict[str, Any]:
        return {
            "trainer": self.trainer.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.trainer.optimizers().items()},
            "generator": self.scene.generator.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.trainer.load_state_dict(state["trainer"])
        for name, optimizer in self.trainer.optimizers().items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.scene.generator.set_state(state["generator"])

    def results(self, folder: Path) -> list[Path]:
        weights = self.trainer.save(folder)
        images.save_png(self.trainer.sample()[:3], folder / "sheet.png")
        return [weights, folder / "sheet.png"]
