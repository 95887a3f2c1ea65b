"""Trainers: train the weights of a renderer (paper §2.2, §2.3)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from torch import Tensor, nn
from torch.optim import Optimizer

from artkit.config import Config
from artkit.interfaces.component import Component
from artkit.interfaces.scene import Scene


class Trainer(Component, nn.Module, ABC):
    """Trains weights step by step.

    A checkpoint holds its ``state_dict``, the state of its `optimizers` and the scene's generator; training that
    resumes from them must give the same results.

    Examples:
        >>> import artkit, pathlib, torch
        >>> class Mean(artkit.Trainer):
        ...     '''Learns the mean of normal random numbers.'''
        ...     name = "mean"
        ...     def __init__(self, config, scene, steps, folder):
        ...         super().__init__(config, scene, steps, folder)
        ...         self.mean = torch.nn.Parameter(torch.ones(()))
        ...         self._optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        ...     def step(self, step):
        ...         loss = (self.mean - torch.randn(64, generator=self.scene.generator)).square().mean()
        ...         self._optimizer.zero_grad()
        ...         loss.backward()
        ...         self._optimizer.step()
        ...         return {"mse": loss.item()}
        ...     def optimizers(self):
        ...         return {"mean": self._optimizer}
        ...     def sample(self):
        ...         return self.mean.detach().clamp(0, 1).expand(3, 8, 8)
        ...     def save(self, folder):
        ...         file = folder / "mean.safetensors"
        ...         file.write_bytes(b"")
        ...         return file
        >>> trainer = Mean(Mean.Config(), artkit.scene(), 30, pathlib.Path())
        >>> losses = [trainer.step(step) for step in range(30)]
        >>> abs(trainer.mean.item()) < 0.2
        True
    """

    def __init__(self, config: Config, scene: Scene, steps: int, folder: Path) -> None:
        """steps: the number of steps of the whole training. folder: of the run, for files such as cached data."""
        nn.Module.__init__(self)
        self.config, self.scene, self.steps, self.folder = config, scene, steps, folder
        self.provenance = {}

    def prepare(self) -> None:
        """Prepare the first step of a new or resumed run, for example generate the data. Does nothing by default."""

    @abstractmethod
    def step(self, step: int) -> dict[str, float]:
        """Run step `step` of `self.steps`, counted from 0. Return the losses by name."""

    def reduce_memory(self) -> str | None:
        """Make steps take about half the memory, after a step ran out of that of a GPU; it is then repeated.

        Return what is smaller now, such as ``"batches of 16 strokes"``; None, the default, if nothing can be. A step
        that runs out of memory must leave the trainer as it was before.
        """
        return None

    @abstractmethod
    def optimizers(self) -> dict[str, Optimizer]:
        """Return the optimisers by name. Their state is saved with the module's own."""

    @abstractmethod
    def sample(self) -> Tensor:
        """Return a contact sheet (3, h, w), sRGB in [0, 1]: training data beside the output of the network."""

    @abstractmethod
    def save(self, folder: Path) -> Path:
        """Write the trained weights into `folder`. Return the file."""
