"""Trainers: where do a renderer's weights come from? (paper §2.2, §2.3)"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from torch import Tensor, nn
from torch.optim import Optimizer

from artkit.config import Config
from artkit.interfaces.component import Component
from artkit.interfaces.scene import Scene


class Trainer(Component, nn.Module, ABC):
    """Trains weights, a step at a time. All it needs to go on later is in its `state`."""

    def __init__(self, config: Config, scene: Scene, steps: int, folder: Path) -> None:
        """steps: of the whole training; folder: of the run, for what the trainer keeps beside its weights."""
        nn.Module.__init__(self)
        self.config, self.scene, self.steps, self.folder = config, scene, steps, folder
        self.provenance = {}

    def prepare(self) -> None:
        """What must be there before the first step, in a new or a resumed run, such as data."""

    @abstractmethod
    def step(self, step: int) -> dict[str, float]:
        """Train for step `step` of `self.steps`; the losses by name."""

    @abstractmethod
    def optimizers(self) -> dict[str, Optimizer]:
        """The optimizers by name, whose state is saved with the module's own."""

    @abstractmethod
    def sample(self) -> Tensor:
        """A sheet (3, h, w) in [0, 1] that shows what was learnt, real beside painted."""

    @abstractmethod
    def save(self, folder: Path) -> Path:
        """Write the trained weights into `folder`; the file."""
