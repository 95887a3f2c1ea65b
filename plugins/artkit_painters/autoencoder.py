"""Networks of the paper's VAE painter (§2.2): an autoencoder of strokes, and a network from an action to its latent.

They differ from the released code in two respects: strokes have no colour (coverage in one channel, and the predictor
sees the shape of the action), and the predictor is larger.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from artkit_mypaint.action_spaces import SHAPE_SIZE

SIDE = 64
"""Side in px of the tiles that the decoder paints. Strokes end at the edge of the tile."""

LATENT = 64


class Latent(NamedTuple):
    """A normal distribution over latents: mean and logarithm of the variance, both (m, LATENT)."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Return the latents (m, LATENT) for standard normal noise (m, LATENT)."""
        return torch.addcmul(self.mean, (self.log_variance / 2).exp(), noise)

    def divergence(self) -> Tensor:
        """Compute the Kullback-Leibler divergence from the standard normal distribution, (m,)."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1 - self.log_variance).sum(1)


class Encoder(nn.Module):
    """Encodes strokes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = _stack((1, 32, 64, 128, 256), lambda a, b: (nn.Conv2d(a, b, 4, 2), nn.ReLU()))
        self.leave = nn.Linear(256 * 2 * 2, 2 * LATENT)

    def forward(self, coverage: Tensor) -> Latent:
        """Encode coverage (m, 1, SIDE, SIDE)."""
        return _latent(self.leave(self.layers(coverage).flatten(1)))


class Predictor(nn.Module):
    """Predicts the latents of the strokes of an action.

    It is wider than in the released code and also sees a Fourier encoding of the action with two frequencies. Without
    it, the network hardly learns to resolve positions to two pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = _stack((5 * SHAPE_SIZE, 384, 384, 256), lambda a, b: (nn.Linear(a, b), nn.SiLU()))
        self.leave = nn.Linear(256, 2 * LATENT)

    def forward(self, actions: Tensor) -> Latent:
        """Predict the latents of actions (m, >= 9)."""
        shape = actions[:, :SHAPE_SIZE]
        waves = [wave for frequency in (0.5, 1.0) for wave in _sin_cos(shape * (2 * math.pi * frequency))]
        return _latent(self.leave(self.layers(torch.cat([shape, *waves], dim=1))))


class Decoder(nn.Module):
    """Decodes latents."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(LATENT, 1024)
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(1024, 128, 5, 2),
            nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 5, 2),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 6, 2),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 6, 2),
            nn.Sigmoid(),
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Decode latents (m, LATENT) to coverage (m, 1, SIDE, SIDE)."""
        coverage: Tensor = self.layers(self.enter(latent)[:, :, None, None])
        return coverage


class VaePainter(nn.Module):
    """Paints strokes from actions: predictor and decoder. The encoder is needed for training only."""

    def __init__(self) -> None:
        super().__init__()
        self.predictor, self.decoder = Predictor(), Decoder()

    def forward(self, actions: Tensor, noise: Tensor | None = None) -> Tensor:
        """Paint actions (m, >= 9): coverage (m, 1, SIDE, SIDE).

        noise (m, LATENT): standard normal, selects the sample; None for the mean latent.
        """
        latent = self.predictor(actions)
        coverage: Tensor = self.decoder(latent.mean if noise is None else latent.sample(noise))
        return coverage


def _sin_cos(angle: Tensor) -> tuple[Tensor, Tensor]:
    return angle.sin(), angle.cos()


def _latent(outputs: Tensor) -> Latent:
    mean, log_variance = outputs.chunk(2, dim=1)
    return Latent(mean, log_variance.clamp(-12, 8))


def _stack(widths: Sequence[int], layer: Callable[[int, int], tuple[nn.Module, ...]]) -> nn.Sequential:
    return nn.Sequential(*(module for a, b in itertools.pairwise(widths) for module in layer(a, b)))
