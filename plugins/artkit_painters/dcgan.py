"""The networks of the paper's GAN painter (§2.3), a DCGAN that sees the bare action: generator and critic.

As the released code has them, with the changes that docs/design.md gives the reasons for: they know the stroke's shape
and give coverage in one channel, since its colour is exact without them; there is no noise; and the critic has no batch
normalisation.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from artkit_mypaint.action_spaces import LIFT, SHAPE_SIZE

SIDE = 64
"""Px a side of what the generator paints: a tile, at whose edge its strokes end."""

_WHITE = -3.0  # the logit of the coverage where a generator sees nothing, when it begins


class Generator(nn.Module):
    """Coverage of strokes from their shapes; discrete: and from the flag that lifts the pen."""

    def __init__(self, discrete: bool = False) -> None:
        super().__init__()
        self._seen = _seen(discrete)
        self.enter = nn.Linear(len(self._seen), 256 * 4 * 4)
        layers: list[nn.Module] = [nn.BatchNorm2d(256), nn.ReLU()]
        for before, after in itertools.pairwise((256, 128, 64, 32)):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
        last = nn.ConvTranspose2d(32, 1, 4, 2, 1)
        self.layers = nn.Sequential(*layers, last, nn.Sigmoid())
        self.apply(_start)
        # Nothing seen, nothing painted. From grey the network would learn what is white, of which there is more, and
        # the middle of strokes, where it sees nothing, would be one grey.
        assert last.bias is not None
        nn.init.constant_(last.bias, _WHITE)

    def forward(self, actions: Tensor) -> Tensor:
        """Actions (m, A) -> (m, 1, SIDE, SIDE)."""
        painted: Tensor = self.layers(self.enter(actions[:, self._seen] * 2 - 1).view(-1, 256, 4, 4))
        return painted


class Critic(nn.Module):
    """Scores strokes, higher for real ones."""

    def __init__(self, discrete: bool = False) -> None:
        super().__init__()
        self._seen = _seen(discrete)
        self.look = nn.Conv2d(1, 16, 4, 2, 1)
        self.know = nn.Linear(len(self._seen), 16)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise((16, 32, 64, 128)):
            layers += [nn.LeakyReLU(0.2), nn.Conv2d(before, after, 4, 2, 1)]
        self.layers = nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(128 * 4 * 4, 1))
        self.apply(_start)

    def forward(self, coverage: Tensor, actions: Tensor) -> Tensor:
        """Coverage (m, 1, SIDE, SIDE), actions (m, A) -> (m,)."""
        known = torch.relu(self.know(actions[:, self._seen] * 2 - 1))[:, :, None, None]
        score: Tensor = self.layers(self.look(coverage) + known)
        return score[:, 0]


def _seen(discrete: bool) -> list[int]:
    """Which numbers of an action the networks see: all but the colour."""
    return [*range(SHAPE_SIZE), *([LIFT] if discrete else [])]


def _start(layer: nn.Module) -> None:
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1, 0.02)
