"""Networks of the paper's GAN painter (§2.3), a DCGAN conditioned on the bare action: generator and critic.

They differ from the released code as docs/decisions.md explains: strokes have no colour, since that is exact without a
network (coverage in one channel, conditioned on the shape of the action); there is no noise; and the critic has no
batch normalisation.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from artkit_mypaint.action_spaces import LIFT, SHAPE_SIZE

SIDE = 64
"""Side in px of the tiles that the generator paints. Strokes end at the edge of the tile."""

_INITIAL_LOGIT = -3.0  # of the coverage, without any input


class Generator(nn.Module):
    """Paints strokes from the shape of actions and, if discrete, from the flag that lifts the pen."""

    def __init__(self, discrete: bool = False) -> None:
        super().__init__()
        self._discrete = discrete
        self.enter = nn.Linear(SHAPE_SIZE + discrete, 256 * 4 * 4)
        layers: list[nn.Module] = [nn.BatchNorm2d(256), nn.ReLU()]
        for before, after in itertools.pairwise((256, 128, 64, 32)):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
        last = nn.ConvTranspose2d(32, 1, 4, 2, 1)
        self.layers = nn.Sequential(*layers, last, nn.Sigmoid())
        self.apply(_initialise)
        # Nearly no paint. From grey, the network would first learn to paint white, which most pixels are, and the
        # middle of strokes would stay a uniform grey.
        assert last.bias is not None
        nn.init.constant_(last.bias, _INITIAL_LOGIT)

    def forward(self, actions: Tensor) -> Tensor:
        """Paint actions (m, A): coverage (m, 1, SIDE, SIDE)."""
        coverage: Tensor = self.layers(self.enter(_inputs(actions, self._discrete) * 2 - 1).view(-1, 256, 4, 4))
        return coverage


class Critic(nn.Module):
    """Scores strokes, higher for real ones."""

    def __init__(self, discrete: bool = False) -> None:
        super().__init__()
        self._discrete = discrete
        self.look = nn.Conv2d(1, 16, 4, 2, 1)
        self.know = nn.Linear(SHAPE_SIZE + discrete, 16)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise((16, 32, 64, 128)):
            layers += [nn.LeakyReLU(0.2), nn.Conv2d(before, after, 4, 2, 1)]
        self.layers = nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(128 * 4 * 4, 1))
        self.apply(_initialise)

    def forward(self, coverage: Tensor, actions: Tensor) -> Tensor:
        """Score coverage (m, 1, SIDE, SIDE) of actions (m, A): (m,)."""
        condition = torch.relu(self.know(_inputs(actions, self._discrete) * 2 - 1))[:, :, None, None]
        score: Tensor = self.layers(self.look(coverage) + condition)
        return score[:, 0]


def _inputs(actions: Tensor, discrete: bool) -> Tensor:
    """Return the dimensions of actions that are inputs: all but the colour."""
    shape = actions[:, :SHAPE_SIZE]
    return torch.cat([shape, actions[:, LIFT : LIFT + 1]], dim=1) if discrete else shape


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1, 0.02)
