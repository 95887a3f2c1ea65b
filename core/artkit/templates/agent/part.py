"""``type = "newpart"``: every number of every action is a parameter."""

from __future__ import annotations

import torch
from artkit.agent import Agent
from artkit.config import Config as BaseConfig
from artkit.part import Scene
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
        shape = (1, scene.canvas.strokes, len(scene.renderer.space))
        self.numbers = nn.Parameter(config.spread * torch.randn(shape, generator=scene.generator))

    def forward(self, scene: Scene, targets: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.numbers)
