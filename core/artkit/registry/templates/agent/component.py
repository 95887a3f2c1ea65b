"""``type = "newcomponent"``: every number of every action is a parameter."""

from __future__ import annotations

import torch
from artkit import Agent, Config as BaseConfig, Scene
from pydantic import Field
from torch import Tensor, nn


class NewComponent(Agent):
    """Actions are the sigmoid of parameters with a normal initialisation."""

    name = "newcomponent"

    class Config(BaseConfig):
        """Settings."""

        spread: float = Field(1.0, ge=0, le=10)
        """Standard deviation of the initial parameters, before the sigmoid."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        assert scene.renderer is not None
        shape = (1, scene.action_count, len(scene.renderer.space))
        self.logits = nn.Parameter(config.spread * torch.randn(shape, generator=scene.generator))

    def forward(self, scene: Scene, targets: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.logits)
