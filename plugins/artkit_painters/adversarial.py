"""Adversarial training of painters (paper §2.3): the critic of the dab painter, and the losses (WGAN-GP).

The paper's critic sees the bare action (`dcgan_networks.Critic`). `PatchCritic` sees the position of each pixel
relative to the stroke's curve, so it does not have to learn the geometry of strokes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from artkit.devices import to_device
from artkit_painters.dab_painter import DabPainter
from artkit_painters.dcgan_networks import Critic, Generator
from artkit_painters.geometry_features import CELL, FEATURES, window_features
from artkit_painters.geometry_painter import GeometryPainter
from artkit_painters.patches import gradient_energy
from artkit_painters.stroke_windows import StrokeWindows

_CRITIC_EXTENT = (4.0, 4.0)  # brush radii from the curve within which the critic scores paint
_MIN_ENERGY = 1e-6  # added to gradient energies, which may be 0
_BLUR_PX = 8


class PatchCritic(nn.Module):
    """Scores patches of strokes, higher for real ones, from coverage and the features of `GeometryPainter`."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.eye = GeometryPainter(extent=_CRITIC_EXTENT).requires_grad_(False)
        """Not trained; provides the footprint of the features."""
        self.layers = nn.Sequential(
            nn.Conv2d(CELL * CELL + FEATURES + 1, channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * channels, 1, 3, padding=1),
        )

    @torch.no_grad()
    def features(self, actions: Tensor, corner: Tensor, side: int, size: int) -> tuple[Tensor, Tensor]:
        """Compute features and gate of square windows of `size` px as maps (`CellFeatures.as_maps`)."""
        return window_features(self.eye.footprint, actions, corner, side, (size, size)).as_maps()

    def forward(self, coverage: Tensor, features: Tensor, gate: Tensor) -> Tensor:
        """Score coverage (m, 1, 2 h, 2 w) with features (m, FEATURES, h, w) and gate (m, 1, h, w): (m,)."""
        scores = self.layers(torch.cat([F.pixel_unshuffle(coverage, CELL), features, gate], dim=1))
        weights = F.avg_pool2d(gate, 2)
        score: Tensor = (scores * weights).sum((1, 2, 3)) / weights.sum((1, 2, 3)).clamp(min=1)
        return score


class AdversarialBatch(NamedTuple):
    """A batch of strokes with the functions of painter and critic.

    real (m, 1, W, W): coverage of the real strokes. seeds (m,). paint: seeds (m,) -> painted coverage. score: coverage
    (k m, 1, W, W) -> scores (k m,). area (m,): pixels over which the critic averages.
    """

    real: Tensor
    seeds: Tensor
    paint: Callable[[Tensor], Tensor]
    score: Callable[[Tensor], Tensor]
    area: Tensor


def dab_batch(painter: DabPainter, critic: PatchCritic, windows: StrokeWindows) -> AdversarialBatch:
    """Build the batch of a dab painter from windows of strokes."""
    actions, seeds, real, corner, side = windows
    size = real.shape[-1]
    features, gate = critic.features(actions, corner, side, size)
    return AdversarialBatch(
        real,
        seeds,
        paint=lambda seeds: painter.forward_region(actions, corner, side, (size, size), seeds),
        score=lambda coverage: critic(coverage, _repeat_for(coverage, features), _repeat_for(coverage, gate)),
        # The gradient of a mean over patches is inversely proportional to their area.
        area=gate.sum((1, 2, 3)).clamp(min=4) * CELL * CELL,
    )


def dcgan_batch(painter: Generator, critic: Critic, actions: Tensor, real: Tensor) -> AdversarialBatch:
    """Build the batch of the paper's generator, which has no noise, from actions (m, A) and tiles (m, 1, 64, 64)."""
    painted = painter(actions)
    return AdversarialBatch(
        real,
        torch.zeros(len(actions), dtype=torch.int64, device=real.device),
        paint=lambda _: painted,
        score=lambda coverage: critic(coverage, _repeat_for(coverage, actions)),
        area=torch.ones(len(actions), device=real.device),
    )


def critic_losses(batch: AdversarialBatch, fake: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Compute the gap of the mean scores, real minus fake, and the gradient penalty."""
    real = batch.real
    ratio = to_device(torch.rand(len(real), 1, 1, 1, generator=generator), real.device)
    mixed = (ratio * real + (1 - ratio) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(batch.score(mixed).sum(), mixed, create_graph=True)
    penalty = ((gradient.square().sum((1, 2, 3)) * batch.area + 1e-8).sqrt() - 1).square().mean()
    scores = batch.score(torch.cat([real, fake]))
    return scores[: len(real)].mean() - scores[len(real) :].mean(), penalty


def tone_error(fake: Tensor, real: Tensor) -> Tensor:
    """Compute the mean squared error of blurred coverages."""
    return (F.avg_pool2d(fake, _BLUR_PX, _BLUR_PX // 2) - F.avg_pool2d(real, _BLUR_PX, _BLUR_PX // 2)).square().mean()


def energy_ratio(fake: Tensor, real: Tensor) -> Tensor:
    """Compute the gradient energy of painted strokes over that of real ones."""
    return (gradient_energy(fake) + _MIN_ENERGY) / (gradient_energy(real) + _MIN_ENERGY)


def _repeat_for(coverage: Tensor, values: Tensor) -> Tensor:
    """Repeat values (m, ...) for coverages of k times m strokes."""
    return values.repeat(len(coverage) // len(values), *[1] * (values.dim() - 1))
