"""Classifier two-sample test: how well can a network tell a painter's strokes from the real brush's?

A new classifier is trained on pairs of an action and a stroke, real or painted. Its accuracy on held-out pairs is the
result: 50 % means that it cannot tell them apart. The classifier sees the features of `GeometryPainter`, that is, the
position of each pixel relative to the stroke's curve. Painted strokes are rounded to 8 bits, as real ones are stored.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import Renderer
from artkit_mypaint.action_spaces import DISCRETE_SPACE
from artkit_mypaint.engine.engine import Engine
from artkit_painters.geometry_features import CELL, FEATURES, INITIAL_SCATTER, BrushFootprint, window_features
from artkit_painters.patches import paint_patches
from artkit_painters.stroke_data import SHARD_SIZE, StrokeSet

HELD_OUT = 4
"""One pair is held out for this many training pairs."""

_BATCH = 32
_EPOCHS = 6
_LR = 2e-3
_SEED_OFFSET = 1 << 41  # so that the strokes are neither those of a training nor those that `fidelity` measures
_EXTENT = (4.0, 4.0)  # brush radii: wide, since paint where there should be none must be visible to the classifier


class TwoSampleClassifier(nn.Module):
    """Predicts the logit that a stroke is real, from its coverage and geometry features."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        wide = 2 * channels
        self.layers = nn.Sequential(
            nn.Conv2d(CELL * CELL + FEATURES + 1, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, wide, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(wide),
            nn.LeakyReLU(0.2),
            nn.Conv2d(wide, wide, 3, padding=1, bias=False),
            nn.BatchNorm2d(wide),
            nn.LeakyReLU(0.2),
        )
        self.head = nn.Sequential(
            nn.Linear(3 * wide, wide), nn.BatchNorm1d(wide), nn.LeakyReLU(0.2), nn.Linear(wide, 1)
        )

    def forward(self, coverage: Tensor, features: Tensor, gate: Tensor) -> Tensor:
        """Compute logits (m,) from coverage (m, 1, 2 h, 2 w), features (m, FEATURES, h, w) and gate (m, 1, h, w)."""
        activations = self.layers(torch.cat([F.pixel_unshuffle(coverage, CELL), features, gate], dim=1))
        weights = F.avg_pool2d(gate, 2)
        maximum = (activations * weights).amax((2, 3))
        weights = weights / weights.sum((2, 3), keepdim=True).clamp(min=1)
        mean = (activations * weights).sum((2, 3))
        root_mean_square = ((activations.square() * weights).sum((2, 3)) + 1e-6).sqrt()
        logit: Tensor = self.head(torch.cat([mean, root_mean_square, maximum], dim=1))
        return logit[:, 0]


def accuracy(painter: Renderer, brush: str, engine: Engine, pairs: int = 4000, seed: int = 0) -> dict[str, float]:
    """Train a classifier on `pairs` real and as many painted strokes, and measure its accuracy on held-out ones.

    Strokes are those of tiles of 64 px, cropped to the tile. Returns accuracy, in [0, 1], and accuracy_error, its
    standard error.
    """
    held_out = max(pairs // HELD_OUT, 1)
    strokes = StrokeSet(brush, pairs + held_out, seed + _SEED_OFFSET, discrete=painter.space == DISCRETE_SPACE)
    actions, tiles = _real_and_painted(painter, strokes, engine, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = TwoSampleClassifier()
    _train(classifier, actions[:pairs], tiles[:pairs], seed)
    classifier.eval()
    correct = 0
    with torch.no_grad():
        batches = zip(torch.split(actions[pairs:], _BATCH), torch.split(tiles[pairs:], _BATCH), strict=True)
        for batch_actions, batch_tiles in batches:
            real, painted = _logits(classifier, batch_actions, batch_tiles)
            correct += int((real > 0).sum()) + int((painted <= 0).sum())
    share = correct / (2 * held_out)
    variance = max(share * (1 - share), 1 / (8 * held_out))
    return {"accuracy": share, "accuracy_error": math.sqrt(variance / (2 * held_out))}


def _real_and_painted(painter: Renderer, strokes: StrokeSet, engine: Engine, seed: int) -> tuple[Tensor, Tensor]:
    """Return actions (m, A), and tiles (m, 2, side, side), uint8, of the real and the painted strokes."""
    actions, real, painted = [], [], []
    for shard in strokes.shards():
        shard_actions = strokes.actions(shard)
        actions.append(shard_actions)
        patches = strokes.paint(shard, engine)[:, strokes.tile_slice, strokes.tile_slice]
        real.append(torch.from_numpy(np.ascontiguousarray(patches)))
        coverage = paint_patches(painter, shard_actions, strokes.side, seed + _SEED_OFFSET, shard * SHARD_SIZE)
        painted.append((coverage * 255).round().byte())
    return torch.cat(actions), torch.stack([torch.cat(real), torch.cat(painted)], dim=1)


def _train(classifier: TwoSampleClassifier, actions: Tensor, tiles: Tensor, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    steps = _EPOCHS * -(-len(actions) // _BATCH)
    optimizer = torch.optim.AdamW(classifier.parameters(), _LR, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LR, total_steps=steps + 1)
    for _ in range(_EPOCHS):
        for indices in torch.split(torch.randperm(len(actions), generator=generator), _BATCH):
            real, painted = _logits(classifier, actions[indices], tiles[indices])
            loss = F.softplus(-real).mean() + F.softplus(painted).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(classifier.parameters(), 1.0)
            optimizer.step()
            schedule.step()


def _logits(classifier: TwoSampleClassifier, actions: Tensor, tiles: Tensor) -> Tensor:
    """Compute the logits (2, m) of the real and the painted tiles (m, 2, side, side), uint8."""
    side = tiles.shape[-1]
    footprint = BrushFootprint(_EXTENT, (), torch.tensor(INITIAL_SCATTER))
    with torch.no_grad():
        maps = window_features(footprint, actions, torch.zeros(len(actions), 2), side, (side, side)).as_maps()
        features, gate = (values.repeat(2, 1, 1, 1) for values in maps)
    coverage = tiles.transpose(0, 1).reshape(-1, 1, side, side).float() / 255
    logits: Tensor = classifier(coverage, features, gate)
    return logits.view(2, -1)
