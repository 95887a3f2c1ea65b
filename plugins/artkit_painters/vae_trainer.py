"""``type = "vae"``: trains the `vae` painter (paper §2.2): an autoencoder of strokes, then a network from an action
to the latents of its stroke. The colour of a stroke is exact without learning, so both see its coverage alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from artkit import Scene
from artkit_painters.autoencoder import LATENT, Encoder, Latent, VaePainter
from artkit_painters.stroke_trainer import StrokeTrainer, cosine_decay, set_learning_rate

_EARLY = 0.03  # of the first stage, in which painted pixels count more, or all strokes would first turn white
_EMPHASIS = 10.0
_PIECE = 512  # strokes that are encoded at a time
_CODES = 1024  # strokes of a step of the second stage, if all are stored


class VaeTrainer(StrokeTrainer):
    """A painter of one brush, from its own strokes, in two stages."""

    name = "vae"
    kind = "vae"

    class Config(StrokeTrainer.Config):
        """Settings."""

        autoencoder: float = Field(0.7, gt=0, lt=1)
        """Share of the steps that train the autoencoder; in the others it stands still, and the network from actions to
        latents learns."""
        free: float = Field(0.5, ge=0)
        """Bits of nature (nats) a latent that the autoencoder may spend without a loss: its divergence counts only
        beyond this, times the number of latents."""
        lr: float = Field(1e-3, gt=0)
        """Learning rate of the autoencoder."""
        predictor_lr: float = Field(3e-3, gt=0)
        """Learning rate of the network from actions to latents."""

    config: Config

    def __init__(self, config: Config, scene: Scene, steps: int, folder: Path) -> None:
        super().__init__(config, scene, steps, folder)
        self.encoder, self.painter = Encoder(), VaePainter()
        both = [*self.encoder.parameters(), *self.painter.decoder.parameters()]
        self._coding = torch.optim.Adam(both, config.lr)
        self._predicting = torch.optim.Adam(self.painter.predictor.parameters(), config.predictor_lr)
        self._codes: tuple[Tensor, Latent] | None = None
        self.to(scene.device)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"coding": self._coding, "predicting": self._predicting}

    def learn(self, step: int) -> dict[str, float]:
        turn = max(1, round(self.steps * self.config.autoencoder))
        if step < turn:
            return self._code(self.tiles(step, self.config.batch)[1], step / turn)
        return self._predict(*self._coded(step), (step - turn) / max(self.steps - turn, 1))

    def _code(self, real: Tensor, progress: float) -> dict[str, float]:
        set_learning_rate(self._coding, self.config.lr * cosine_decay(progress))
        latent = self.encoder(real)
        noise = torch.randn(len(real), LATENT, generator=self.scene.generator).to(real)
        error = (self.painter.decoder(latent.at(noise)) - real).square()
        weight = 1 + (_EMPHASIS - 1) * (real > 0) if progress < _EARLY else 1
        divergence = latent.divergence().mean()
        loss = (error * weight).sum((1, 2, 3)).mean() + divergence.clamp(min=self.config.free * LATENT)
        self.improve(self._coding, loss)
        return {"mse": error.mean().item(), "divergence": divergence.item()}

    @torch.no_grad()
    def _coded(self, step: int) -> tuple[Tensor, Latent]:
        """Strokes of a step of the second stage and their latents. Those of stored strokes are found once, since the
        encoder stands still: a step may have many more of them.
        """
        if self._stored is None:
            actions, real = self.tiles(step, self.config.batch)
            return actions, self.encoder(real)
        if self._codes is None:
            actions, shards = self._stored
            pieces = (shard[first : first + _PIECE] for shard in shards for first in range(0, len(shard), _PIECE))
            codes = [self.encoder(self.coverage(piece)) for piece in pieces]
            self._codes = actions.to(self.scene.device), Latent(*(torch.cat(part) for part in zip(*codes, strict=True)))
        actions, latent = self._codes
        chosen = torch.randint(len(actions), (_CODES,), generator=self.scene.generator).to(actions.device)
        return actions[chosen], Latent(latent.mu[chosen], latent.spread[chosen])

    def _predict(self, actions: Tensor, wanted: Latent, progress: float) -> dict[str, float]:
        set_learning_rate(self._predicting, self.config.predictor_lr * cosine_decay(progress))
        latent = self.painter.predictor(actions)
        mean, spread = (a - b for a, b in zip(latent, wanted, strict=True))
        loss = mean.square().mean() + spread.square().mean()
        self.improve(self._predicting, loss)
        return {"latent": loss.item()}

    def painted(self, actions: Tensor) -> Tensor:
        sheets: Tensor = self.painter(actions)
        return sheets[:, 0]

    def trained(self) -> tuple[nn.Module, dict[str, Any]]:
        return self.painter, {"architecture": "vae", "latent": LATENT}
