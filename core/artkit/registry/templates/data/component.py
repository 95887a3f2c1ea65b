"""``type = "newcomponent"``: images of dots, drawn on demand."""

from __future__ import annotations

import torch
from artkit import Data, Scene
from pydantic import Field
from torch import Tensor


class NewComponent(Data):
    """A small or large dark dot at a random position on white."""

    name = "newcomponent"
    classes = ("small", "large")

    class Config(Data.Config):
        """Settings."""

        count: int = Field(1000, ge=1)
        """Number of images."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._scene = scene
        generator = torch.Generator().manual_seed(0 if config.part == "train" else 1)
        self._centres = 0.2 + 0.6 * torch.rand(config.count, 2, generator=generator)
        self._labels = torch.randint(2, (config.count,), generator=generator)

    def __len__(self) -> int:
        return self.config.count

    def images(self, indices: Tensor) -> Tensor:
        width, height = self._scene.size
        x, y = (self._centres[indices] * torch.tensor([width, height])).T[:, :, None, None]
        radius = min(width, height) * (0.08 + 0.08 * self._labels[indices])[:, None, None]
        dx, dy = torch.arange(width) + 0.5 - x, torch.arange(height)[:, None] + 0.5 - y
        ink = (radius - (dx.square() + dy.square()).sqrt() + 0.5).clamp(0, 1)
        return (1 - 0.9 * ink)[:, None].expand(-1, 3, -1, -1).to(self._scene.device)

    def labels(self, indices: Tensor) -> Tensor:
        return self._labels[indices]
