"""``type = "vae"``: trains the `vae` painter (paper §2.2).

The first stage trains an autoencoder of strokes, the second a network from an action to the latent of its stroke.
Colour is exact without training, so both see coverage only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from artkit import Scene
from artkit.devices import to_device
from artkit_painters.autoencoder import LATENT, Encoder, Latent, VaePainter
from artkit_painters.stroke_trainer import StrokeTrainer, cosine_decay, set_learning_rate

_EMPHASIS_SHARE = 0.03  # of the autoencoder's steps, at the start, in which painted pixels have more weight
_EMPHASIS = 10.0  # that weight; without it, all decoded strokes would turn white at first
_ENCODING_CHUNK = 512
_PREDICTOR_BATCH = 1024  # strokes per step of the predictor, if all strokes are stored


class VaeTrainer(StrokeTrainer):
    """Trains a painter of one brush on the brush's own strokes, in two stages."""

    name = "vae"
    kind = "vae"

    class Config(StrokeTrainer.Config):
        """Settings."""

        autoencoder: float = Field(0.7, gt=0, lt=1)
        """Share of the steps that train the autoencoder; the others train the network from actions to latents."""
        free: float = Field(0.5, ge=0)
        """Free nats per latent: the autoencoder's divergence is penalised only above this, times the number of
        latents."""
        lr: float = Field(1e-3, gt=0)
        """Learning rate of the autoencoder."""
        predictor_lr: float = Field(3e-3, gt=0)
        """Learning rate of the network from actions to latents."""

    config: Config

    def __init__(self, config: Config, scene: Scene, steps: int, folder: Path) -> None:
        super().__init__(config, scene, steps, folder)
        self.encoder, self.painter = Encoder(), VaePainter()
        autoencoder = [*self.encoder.parameters(), *self.painter.decoder.parameters()]
        self._autoencoder_optimizer = torch.optim.Adam(autoencoder, config.lr)
        self._predictor_optimizer = torch.optim.Adam(self.painter.predictor.parameters(), config.predictor_lr)
        self._encoded: tuple[Tensor, Latent] | None = None
        self.to(scene.device)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"coding": self._autoencoder_optimizer, "predicting": self._predictor_optimizer}

    def train_step(self, step: int) -> dict[str, float]:
        autoencoder_steps = max(1, round(self.steps * self.config.autoencoder))
        if step < autoencoder_steps:
            _, real = self.draw_tiles(step, self.batch_size)
            return self._autoencoder_step(real, step / autoencoder_steps)
        progress = (step - autoencoder_steps) / max(self.steps - autoencoder_steps, 1)
        return self._predictor_step(*self._draw_latents(step), progress)

    def _autoencoder_step(self, real: Tensor, progress: float) -> dict[str, float]:
        set_learning_rate(self._autoencoder_optimizer, self.config.lr * cosine_decay(progress))
        latent = self.encoder(real)
        noise = torch.randn(len(real), LATENT, generator=self.scene.generator)
        error = (self.painter.decoder(latent.sample(to_device(noise, real.device))) - real).square()
        weight = 1 + (_EMPHASIS - 1) * (real > 0) if progress < _EMPHASIS_SHARE else 1
        divergence = latent.divergence().mean()
        loss = (error * weight).sum((1, 2, 3)).mean() + divergence.clamp(min=self.config.free * LATENT)
        return self.optimizer_step(self._autoencoder_optimizer, loss, {"mse": error.mean(), "divergence": divergence})

    @torch.no_grad()
    def _draw_latents(self, step: int) -> tuple[Tensor, Latent]:
        """Return actions and latents of a step of the predictor.

        The encoder is not trained any more, so stored strokes are encoded once, which allows larger batches.
        """
        if self._stored is None:
            actions, real = self.draw_tiles(step, self.batch_size)
            return actions, self.encoder(real)
        if self._encoded is None:
            actions, shards = self._stored
            chunks = (
                shard[first : first + _ENCODING_CHUNK]
                for shard in shards
                for first in range(0, len(shard), _ENCODING_CHUNK)
            )
            latents = [self.encoder(self.to_coverage(chunk)) for chunk in chunks]
            latent = Latent(*(torch.cat(values) for values in zip(*latents, strict=True)))
            self._encoded = to_device(actions, self.scene.device), latent
        actions, latent = self._encoded
        indices = torch.randint(len(actions), (_PREDICTOR_BATCH,), generator=self.scene.generator)
        indices = to_device(indices, actions.device)
        return actions[indices], Latent(latent.mean[indices], latent.log_variance[indices])

    def _predictor_step(self, actions: Tensor, target: Latent, progress: float) -> dict[str, float]:
        set_learning_rate(self._predictor_optimizer, self.config.predictor_lr * cosine_decay(progress))
        predicted = self.painter.predictor(actions)
        mean_error, log_variance_error = (a - b for a, b in zip(predicted, target, strict=True))
        loss = mean_error.square().mean() + log_variance_error.square().mean()
        return self.optimizer_step(self._predictor_optimizer, loss, {"latent": loss})

    def paint(self, actions: Tensor) -> Tensor:
        tiles: Tensor = self.painter(actions)
        return tiles[:, 0]

    def network_and_metadata(self) -> tuple[nn.Module, dict[str, Any]]:
        return self.painter, {"architecture": "vae", "latent": LATENT}
