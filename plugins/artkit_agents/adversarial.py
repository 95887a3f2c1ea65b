"""``type = "adversarial"``: a critic that is trained to distinguish paintings from their targets (paper §3)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import Objective, Scene, UsageError, View
from artkit.devices import to_device

_BETAS = (0.5, 0.9)
_FEATURE_SIDE = 4  # side of the critic's last feature map


class Adversarial(Objective):
    """Difference between a critic's scores of the target and of the painting, both conditioned on the target.

    The critic is a Wasserstein critic with a gradient penalty (WGAN-GP, Gulrajani et al., 2017). The distance between
    two pictures is their root mean square difference here, so the value is at most about that distance, 1 or less.
    """

    name = "adversarial"

    class Config(Objective.Config):
        """Settings."""

        view: Literal[16, 32, 64, 128] = 32
        """Side of the critic's input, px. A larger one has more detail and takes longer."""
        channels: int = Field(16, ge=4, le=256)
        """Channels of the critic's first layer; each further layer has twice as many."""
        critic_steps: int = Field(2, ge=1, le=20)
        """Critic updates per step."""
        penalty: float = Field(10.0, ge=0)
        """Weight of the gradient penalty."""
        lr: float = Field(3e-4, gt=0, le=1)
        """Learning rate of the critic."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        if scene.data is None:
            raise UsageError(
                "adversarial needs images to train with",
                hint="add [data] to the recipe, or use the objective pixel",
            )
        self._generator = scene.generator
        layers: list[nn.Module] = []
        side, channels, width = int(config.view), 9, config.channels
        while side > _FEATURE_SIDE:
            layers += [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
            side, channels, width = side // 2, width, 2 * width
        self.critic = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side * side, 1))
        self.critic.requires_grad_(False)
        self._optimizer = torch.optim.Adam(self.critic.parameters(), config.lr, betas=_BETAS)

    def forward(self, view: View) -> Tensor:
        painted, target = self._resized_pair(view)
        with torch.no_grad():
            target_score = self._score(target, target)
        return target_score - self._score(painted, target)

    def training_step(self, view: View) -> None:
        painted, target = (images.detach() for images in self._resized_pair(view))
        self.critic.requires_grad_(True)
        for _ in range(self.config.critic_steps):
            share = to_device(torch.rand(len(painted), 1, 1, 1, generator=self._generator), painted.device)
            mixed = (share * target + (1 - share) * painted).requires_grad_()
            (gradient,) = torch.autograd.grad(self._score(mixed, target).sum(), mixed, create_graph=True)
            # The norm that is dual to the root mean square.
            gradient_norm = (gradient.square().sum((1, 2, 3)) * gradient[0].numel() + 1e-8).sqrt()
            real, fake = self._score(torch.cat([target, painted]), target.repeat(2, 1, 1, 1)).chunk(2)
            gap = (real - fake).mean()
            loss = self.config.penalty * (gradient_norm - 1).square().mean() - gap
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
        self.critic.requires_grad_(False)

    def _resized_pair(self, view: View) -> tuple[Tensor, Tensor]:
        """Return the paintings and their targets at the size of the critic's input, each (n, 3, side, side)."""
        assert view.target is not None
        side = self.config.view
        painted, target = (
            images if images.shape[-2:] == (side, side) else F.interpolate(images, (side, side), mode="area")
            for images in (view.image, view.target)
        )
        return painted, target.expand_as(painted)

    def _score(self, images: Tensor, target: Tensor) -> Tensor:
        # The absolute difference is an input too: the critic takes long to learn to compute it.
        inputs = torch.cat([images, target, (images - target).abs()], dim=1)
        score: Tensor = self.critic(inputs * 2 - 1)
        return score[:, 0]

    def get_extra_state(self) -> dict[str, Any]:
        """Return the state of the critic's optimizer, for checkpoints."""
        return self._optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the state of the critic's optimizer."""
        self._optimizer.load_state_dict(state)
