"""``type = "newcomponent"``: fits a small network to a radial profile."""

from __future__ import annotations

from pathlib import Path

import torch
from artkit import Config as BaseConfig, Scene, Trainer
from artkit.files import atomic
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer


class NewComponent(Trainer):
    """Trains a small network that predicts the coverage of a dot from the distance to its centre."""

    name = "newcomponent"

    class Config(BaseConfig):
        """Settings."""

        width: int = Field(16, ge=1)
        """Width of the hidden layer."""
        lr: float = Field(0.01, gt=0)
        """Learning rate."""

    config: Config

    def __init__(self, config: Config, scene: Scene, steps: int, folder: Path) -> None:
        super().__init__(config, scene, steps, folder)
        self.network = nn.Sequential(nn.Linear(1, config.width), nn.Tanh(), nn.Linear(config.width, 1), nn.Sigmoid())
        self._optimizer = torch.optim.Adam(self.parameters(), config.lr)
        self.to(scene.device)

    def step(self, step: int) -> dict[str, float]:
        distance = torch.rand(64, 1, generator=self.scene.generator).to(self.scene.device)
        loss = (self.network(distance) - _coverage(distance)).square().mean()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return {"mse": loss.item()}

    def optimizers(self) -> dict[str, Optimizer]:
        return {"network": self._optimizer}

    @torch.no_grad()
    def sample(self) -> Tensor:
        """Return the true dot beside the predicted one."""
        line = torch.linspace(-1, 1, 64, device=self.scene.device)
        distance = (line[:, None].square() + line.square()).sqrt()[..., None].clamp(max=1)
        dots = torch.cat([_coverage(distance), self.network(distance)], dim=1)[..., 0]
        return 1 - dots.expand(3, -1, -1)

    def save(self, folder: Path) -> Path:
        file = folder / "newcomponent.safetensors"
        with atomic(file) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, temporary)
        return file


def _coverage(distance: Tensor) -> Tensor:
    return (1 - distance.square()).square()
