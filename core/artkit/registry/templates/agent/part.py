"""``type = "newpart"``: every number of every action is a parameter."""

from __future__ import annotations

from artkit import Agent, Config as BaseConfig, Scene

import torch
from pydantic import Field
from torch import Tensor, nn


class NewPart(Agent):
    """Actions are the sigmoid of parameters that start around its middle."""

    name = "newpart"

    class Config(BaseConfig):
        """Settings."""

        spread: float = Field(1.0, ge=0, le=10)
        """How far from the middle parameters start: their standard deviation, before the sigmoid."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        assert scene.renderer is not None
        assert scene.canvas is not None
        shape = (1, scene.canvas.stroke_count, len(scene.renderer.space))
        self.numbers = nn.Parameter(config.spread * torch.randn(shape, generator=scene.generator))

    def forward(self, scene: Scene, targets: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.numbers)
