"""The two-sample test: can a network that is trained for it tell a painter's strokes from the real brush's?

A fresh judge sees pairs of an action and a stroke, real or painted, and learns which is which; what counts is how often
it is right on pairs that it was not trained with. Half the time is no better than a coin: then the painter draws as
the brush does, as far as this judge can see. The judge knows what a critic knows: where each pixel lies beside the
stroke's curve, in the features of `geometry`. What it is told is rounded to what real strokes are stored with.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from artkit import Renderer
from artkit_mypaint.action_spaces import DISCRETE_SPACE
from artkit_mypaint.workers import Workers
from artkit_painters.geometry_painter import CELL, FEATURES, GeometryPainter
from artkit_painters.patches import paint_patches
from artkit_painters.stroke_data import SHARD_SIZE, StrokeSet

HELD_OUT = 4
"""One pair in so many is held out."""

_BATCH = 32
_EPOCHS = 6
_SEED = 1 << 41  # the strokes are neither those of a training nor those that `fidelity` measures
_REACH = (4.0, 4.0)  # radii: wide, since a judge must see paint where there should be none


class Judge(nn.Module):
    """The logit that a stroke is real, from its coverage and its geometry."""

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
        self.decide = nn.Sequential(
            nn.Linear(3 * wide, wide), nn.BatchNorm1d(wide), nn.LeakyReLU(0.2), nn.Linear(wide, 1)
        )

    def forward(self, coverage: Tensor, features: Tensor, gate: Tensor) -> Tensor:
        """Coverage (m, 1, 2 h, 2 w), features (m, FEATURES, h, w), gate (m, 1, h, w) -> (m,)."""
        seen = self.layers(torch.cat([F.pixel_unshuffle(coverage, CELL), features, gate], dim=1))
        where = F.avg_pool2d(gate, 2)
        most = (seen * where).amax((2, 3))
        where = where / where.sum((2, 3), keepdim=True).clamp(min=1)
        mean = (seen * where).sum((2, 3))
        spread = ((seen.square() * where).sum((2, 3)) + 1e-6).sqrt()
        logit: Tensor = self.decide(torch.cat([mean, spread, most], dim=1))
        return logit[:, 0]


def accuracy(painter: Renderer, brush: str, workers: Workers, pairs: int = 4000, seed: int = 0) -> dict[str, float]:
    """How often a judge that was trained on `pairs` real and as many painted strokes is right on others.

    accuracy: the share in [0, 1] of the held-out strokes, half of them real. accuracy_error: its standard error.
    Strokes are those of tiles of 64 px, cut at the tile.
    """
    held = max(pairs // HELD_OUT, 1)
    told = StrokeSet(brush, pairs + held, seed + _SEED, discrete=painter.space == DISCRETE_SPACE)
    actions, real, painted = [], [], []
    for shard in told.shards():
        some = told.actions(shard)
        actions.append(some)
        real.append(torch.from_numpy(np.ascontiguousarray(told.paint(shard, workers)[:, told.inside, told.inside])))
        sheets = paint_patches(painter, some, told.side, seed + _SEED, first=shard * SHARD_SIZE)
        painted.append((sheets * 255).round().byte())
    action, strokes = torch.cat(actions), torch.stack([torch.cat(real), torch.cat(painted)], dim=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge, eye = Judge(), GeometryPainter(reach=_REACH)
    _train(judge, eye, action[:pairs], strokes[:pairs], told.side, seed)
    judge.eval()
    right = 0
    with torch.no_grad():
        for some, shown in zip(torch.split(action[pairs:], _BATCH), torch.split(strokes[pairs:], _BATCH), strict=True):
            logits = _judged(judge, eye, some, shown, told.side)
            right += int((logits[0] > 0).sum()) + int((logits[1] <= 0).sum())
    share = right / (2 * held)
    return {"accuracy": share, "accuracy_error": math.sqrt(max(share * (1 - share), 1 / (8 * held)) / (2 * held))}


def _train(judge: Judge, eye: GeometryPainter, actions: Tensor, strokes: Tensor, side: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    steps = _EPOCHS * -(-len(actions) // _BATCH)
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps + 1)
    for _ in range(_EPOCHS):
        for chosen in torch.split(torch.randperm(len(actions), generator=generator), _BATCH):
            real, painted = _judged(judge, eye, actions[chosen], strokes[chosen], side)
            loss = F.softplus(-real).mean() + F.softplus(painted).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
            optimizer.step()
            schedule.step()


def _judged(judge: Judge, eye: GeometryPainter, actions: Tensor, strokes: Tensor, side: int) -> Tensor:
    """Logits (2, m) of the real and the painted strokes (m, 2, side, side), uint8, of actions (m, A)."""
    with torch.no_grad():
        features, gate = (
            maps.repeat(2, 1, 1, 1) for maps in eye.sight(actions, torch.zeros(len(actions), 2), side, side).maps()
        )
    coverage = strokes.transpose(0, 1).reshape(-1, 1, side, side).float() / 255
    logits: Tensor = judge(coverage, features, gate)
    return logits.view(2, -1)
