"""A colour for every place in the picture: what the renderers here have in common.

Their action is the whole picture's, shared by all tiles. Since colours are a function of place, any part of a picture
can be drawn by itself, at any resolution, and it is what the same part of the whole would be.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from artkit import ActionSpace, Dimension, Place, Renderer, StrokeLog, StrokePatches, Window

_CHUNK = 1 << 16
"""Pixels that are computed at a time."""

_LOGISTIC = 1.8138
"""Standard deviation of the logistic distribution, which the logit of a uniform number has."""


class Field(Renderer):
    """A renderer of one action for the whole picture. A subclass implements `colours`.

    Nothing shines through, so of several strokes on a tile only the last would be seen: a canvas needs one a tile.
    """

    shared: ClassVar[bool] = True

    @abstractmethod
    def colours(self, actions: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
        """The colours (m, 3, h, w) in [0, 1] of m actions (m, A), each where its columns x (m, w) and rows y (m, h)
        meet, in px of a picture of `size` (width, height) px.
        """

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        return self.forward_region(actions, place, Window(0, 0, place.patch_size, place.patch_size))

    def forward_region(self, actions: Tensor, place: Place, part: Window) -> StrokePatches:
        corner = place.origin.to(actions) - place.margin + 0.5
        across, down = (torch.arange(length, device=actions.device) for length in (part.width, part.height))
        x, y = corner[:, :1] + part.x + across, corner[:, 1:] + part.y + down
        colour = self._chunked(actions, x, y, place.size)
        return StrokePatches(colour, torch.ones_like(colour[:, :1]))

    def replay(self, log: StrokeLog, window: Window) -> Tensor:
        device = self.scene.device
        x = window.x + 0.5 + torch.arange(window.width, device=device)[None]
        y = window.y + 0.5 + torch.arange(window.height, device=device)[None]
        size = (round(log.size[0] * window.scale), round(log.size[1] * window.scale))
        colour = self._chunked(log.actions[:1].to(device), x, y, size)[0]
        return colour if len(log.background) == 3 else torch.cat([colour, torch.ones_like(colour[:1])])

    def _chunked(self, actions: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
        """`colours`, some rows at a time, so that memory does not follow the window; with a gradient, all but the
        colours is computed again.
        """
        rows = max(1, _CHUNK // (len(actions) * x.shape[1]))
        if rows >= y.shape[1]:
            return self.colours(actions, x, y, size)
        pieces = torch.split(y, rows, dim=1)
        if not torch.is_grad_enabled():
            return torch.cat([self.colours(actions, x, some, size) for some in pieces], dim=2)
        parts = [checkpoint(self.colours, actions, x, some, size, use_reentrant=False) for some in pieces]
        return torch.cat(parts, dim=2)


def normal(actions: Tensor) -> Tensor:
    """Numbers of about unit variance from those of a random action, linear in the parameters of a sigmoid."""
    return torch.logit(actions, eps=1e-6) / _LOGISTIC


def numbers(name: str, *shape: int) -> ActionSpace:
    """An action space of as many numbers as an array of a shape has."""
    count = 1
    for length in shape:
        count *= length
    return ActionSpace(name, tuple(Dimension(f"n{index}", "quantile") for index in range(count)))
