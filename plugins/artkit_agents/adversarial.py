"""``type = "adversarial"``: a critic that learns to tell paintings from what was to be painted (paper §3)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import Objective, Scene, UsageError, View

_BETAS = (0.5, 0.9)
_LEAST = 4  # px a side of what the critic's last layer gives


class Adversarial(Objective):
    """How much less a critic likes the painting beside its target than the target itself beside it.

    The critic is a Wasserstein critic with a gradient penalty (WGAN-GP). Distances between pictures are root mean
    squares here, so its value is one as well: what the painting is off by, as far as the critic minds, of 1 at most.
    """

    name = "adversarial"

    class Config(Objective.Config):
        """Settings."""

        view: Literal[16, 32, 64, 128] = 32
        """Side, px, at which the critic sees pictures. More shows it more detail and takes longer."""
        channels: int = Field(16, ge=4, le=256)
        """Width of its first layer; each further one is twice as wide."""
        critic_steps: int = Field(2, ge=1, le=20)
        """How often it learns from each step's pictures."""
        penalty: float = Field(10.0, ge=0)
        """Weight of the gradient penalty."""
        lr: float = Field(3e-4, gt=0, le=1)
        """Its learning rate."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        if scene.data is None:
            raise UsageError("adversarial needs pictures to learn from", hint="give the recipe [data], or take pixel")
        self._generator = scene.generator
        layers: list[nn.Module] = []
        side, channels, width = int(config.view), 9, config.channels
        while side > _LEAST:
            layers += [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
            side, channels, width = side // 2, width, 2 * width
        self.critic = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side * side, 1))
        self.critic.requires_grad_(False)
        self._optimizer = torch.optim.Adam(self.critic.parameters(), config.lr, betas=_BETAS)

    def forward(self, view: View) -> Tensor:
        painted, target = self._pair(view)
        with torch.no_grad():
            best = self._score(target, target)
        return best - self._score(painted, target)

    def training_step(self, view: View) -> None:
        painted, target = (pictures.detach() for pictures in self._pair(view))
        self.critic.requires_grad_(True)
        for _ in range(self.config.critic_steps):
            between = torch.rand(len(painted), 1, 1, 1, generator=self._generator).to(painted)
            mixed = (between * target + (1 - between) * painted).requires_grad_()
            (slope,) = torch.autograd.grad(self._score(mixed, target).sum(), mixed, create_graph=True)
            # The steepest way of a distance that is a root mean square.
            steepness = (slope.square().sum((1, 2, 3)) * slope[0].numel() + 1e-8).sqrt()
            real, fake = self._score(torch.cat([target, painted]), target.repeat(2, 1, 1, 1)).chunk(2)
            gap = (real - fake).mean()
            loss = self.config.penalty * (steepness - 1).square().mean() - gap
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
        self.critic.requires_grad_(False)

    def _pair(self, view: View) -> tuple[Tensor, Tensor]:
        """The paintings and their targets as the critic sees them, each (n, 3, side, side)."""
        assert view.target is not None
        side = self.config.view
        painted, target = (
            pictures if pictures.shape[-2:] == (side, side) else F.interpolate(pictures, (side, side), mode="area")
            for pictures in (view.image, view.target)
        )
        return painted, target.expand_as(painted)

    def _score(self, pictures: Tensor, target: Tensor) -> Tensor:
        # It is shown where they differ, too: to find that out takes a critic longer than all the rest.
        seen = torch.cat([pictures, target, (pictures - target).abs()], dim=1)
        score: Tensor = self.critic(seen * 2 - 1)
        return score[:, 0]

    def get_extra_state(self) -> dict[str, Any]:
        """What its optimizer remembers, for checkpoints."""
        return self._optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take up what `get_extra_state` gave."""
        self._optimizer.load_state_dict(state)
