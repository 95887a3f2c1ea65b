"""The networks of the paper's VAE painter (§2.2): an autoencoder of strokes, and one from an action to its latent.

As the released code has them, but for the colours (coverage in one channel; the predictor sees the stroke's shape), and
for a stronger predictor.
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
"""Px a side of what the decoder paints: a tile, at whose edge its strokes end."""

LATENT = 64


class Latent(NamedTuple):
    """A normal distribution over latents, of mean `mu` and logarithm of variance `spread`, both (m, LATENT)."""

    mu: Tensor
    spread: Tensor

    def at(self, noise: Tensor) -> Tensor:
        """The latents (m, LATENT) that standard normal noise chooses."""
        return torch.addcmul(self.mu, (self.spread / 2).exp(), noise)

    def divergence(self) -> Tensor:
        """From the standard normal distribution (Kullback-Leibler), (m,)."""
        return 0.5 * (self.mu.square() + self.spread.exp() - 1 - self.spread).sum(1)


class Encoder(nn.Module):
    """Where a stroke may lie among the latents."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = _stack((1, 32, 64, 128, 256), lambda a, b: (nn.Conv2d(a, b, 4, 2), nn.ReLU()))
        self.leave = nn.Linear(256 * 2 * 2, 2 * LATENT)

    def forward(self, coverage: Tensor) -> Latent:
        """Coverage (m, 1, SIDE, SIDE)."""
        return _latent(self.leave(self.layers(coverage).flatten(1)))


class Predictor(nn.Module):
    """Where the strokes of an action lie among the latents. Wider than the released code's, and told the action as
    waves too, of two frequencies: from bare numbers a network hardly learns to tell places as near as two pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = _stack((5 * SHAPE_SIZE, 384, 384, 256), lambda a, b: (nn.Linear(a, b), nn.SiLU()))
        self.leave = nn.Linear(256, 2 * LATENT)

    def forward(self, actions: Tensor) -> Latent:
        """Actions (m, >= 9)."""
        shape = actions[:, :SHAPE_SIZE]
        waves = [wave for turns in (0.5, 1.0) for wave in _wave(shape * (2 * math.pi * turns))]
        return _latent(self.leave(self.layers(torch.cat([shape, *waves], dim=1))))


class Decoder(nn.Module):
    """Latents to coverage."""

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
        """Latents (m, LATENT) -> (m, 1, SIDE, SIDE)."""
        painted: Tensor = self.layers(self.enter(latent)[:, :, None, None])
        return painted


class VaePainter(nn.Module):
    """From an action to strokes: what is left of the VAE when it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.predictor, self.decoder = Predictor(), Decoder()

    def forward(self, actions: Tensor, noise: Tensor | None = None) -> Tensor:
        """Actions (m, >= 9) -> (m, 1, SIDE, SIDE): of a latent that noise (m, LATENT) chooses, or of the mean."""
        latent = self.predictor(actions)
        painted: Tensor = self.decoder(latent.mu if noise is None else latent.at(noise))
        return painted


def _wave(angle: Tensor) -> tuple[Tensor, Tensor]:
    return angle.sin(), angle.cos()


def _latent(both: Tensor) -> Latent:
    mu, spread = both.chunk(2, dim=1)
    return Latent(mu, spread.clamp(-12, 8))


def _stack(widths: Sequence[int], layer: Callable[[int, int], tuple[nn.Module, ...]]) -> nn.Sequential:
    return nn.Sequential(*(part for a, b in itertools.pairwise(widths) for part in layer(a, b)))
