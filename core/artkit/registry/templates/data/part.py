"""``type = "newpart"``: dots, drawn as they are asked for."""

from __future__ import annotations

from artkit import Data, Scene

import torch
from pydantic import Field
from torch import Tensor


class NewPart(Data):
    """A dark dot on white, large or small, anywhere."""

    name = "newpart"
    classes = ("small", "large")

    class Config(Data.Config):
        """Settings."""

        count: int = Field(1000, ge=1)
        """How many dots there are."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._scene = scene
        random = torch.Generator().manual_seed(0 if config.part == "train" else 1)
        self._places = 0.2 + 0.6 * torch.rand(config.count, 2, generator=random)
        self._labels = torch.randint(2, (config.count,), generator=random)

    def __len__(self) -> int:
        return self.config.count

    def images(self, numbers: Tensor) -> Tensor:
        width, height = self._scene.size
        x, y = (self._places[numbers] * torch.tensor([width, height])).T[:, :, None, None]
        radius = min(width, height) * (0.08 + 0.08 * self._labels[numbers])[:, None, None]
        across, down = torch.arange(width) + 0.5 - x, torch.arange(height)[:, None] + 0.5 - y
        ink = (radius - (across.square() + down.square()).sqrt() + 0.5).clamp(0, 1)
        return (1 - 0.9 * ink)[:, None].expand(-1, 3, -1, -1).to(self._scene.device)

    def labels(self, numbers: Tensor) -> Tensor:
        return self._labels[numbers]
