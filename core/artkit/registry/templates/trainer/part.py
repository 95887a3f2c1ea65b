"""``type = "newpart"``: learns how paint fades from the middle of a spot."""

from __future__ import annotations

from artkit import Config as BaseConfig, Scene, Trainer

from pathlib import Path

import torch
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from artkit.files import atomic


class NewPart(Trainer):
    """A small network that learns coverage from the distance to the middle."""

    name = "newpart"

    class Config(BaseConfig):
        """Settings."""

        width: int = Field(16, ge=1)
        """Width of the network."""
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
        loss = (self.network(distance) - _wanted(distance)).square().mean()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return {"mse": loss.item()}

    def optimizers(self) -> dict[str, Optimizer]:
        return {"network": self._optimizer}

    @torch.no_grad()
    def sample(self) -> Tensor:
        """A real spot beside a learnt one."""
        line = torch.linspace(-1, 1, 64, device=self.scene.device)
        distance = (line[:, None].square() + line.square()).sqrt()[..., None].clamp(max=1)
        spots = torch.cat([_wanted(distance), self.network(distance)], dim=1)[..., 0]
        return 1 - spots.expand(3, -1, -1)

    def save(self, folder: Path) -> Path:
        file = folder / "newpart.safetensors"
        with atomic(file) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, temporary)
        return file


def _wanted(distance: Tensor) -> Tensor:
    return (1 - distance.square()).square()
