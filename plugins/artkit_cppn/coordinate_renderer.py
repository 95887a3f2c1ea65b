"""Base class of renderers that compute the colour of a pixel from its coordinates.

They have one action for the whole picture, which all tiles share. Any window can be rendered alone, at any scale, and
equals the same window of the whole picture.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from artkit import ActionSpace, Dimension, Place, Renderer, StrokeLog, StrokePatches, Window

_MAX_CHUNK_PIXELS = 1 << 16
"""Pixels that are computed at once."""

_LOGISTIC_STD = 1.8138
"""Standard deviation of the standard logistic distribution, which the logit of a uniform variable follows."""


class CoordinateRenderer(Renderer):
    """A renderer with one action for the whole picture. Subclasses implement `colours_at`.

    The colours are opaque, so a canvas needs only one stroke per tile: of several, only the last is visible.
    """

    shared: ClassVar[bool] = True

    @abstractmethod
    def colours_at(self, actions: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the colours (m, 3, h, w) in [0, 1] that m actions (m, A) have on a grid of points.

        x (m, w) and y (m, h): coordinates of the columns and rows, in px of a picture of `size` (width, height) px.
        """

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        return self.forward_region(actions, place, Window(0, 0, place.patch_size, place.patch_size))

    def forward_region(self, actions: Tensor, place: Place, region: Window) -> StrokePatches:
        corner = place.origin.to(actions) - place.margin + 0.5
        columns, rows = (torch.arange(length, device=actions.device) for length in (region.width, region.height))
        x, y = corner[:, :1] + region.x + columns, corner[:, 1:] + region.y + rows
        colour = self._colours_in_chunks(actions, x, y, place.size)
        return StrokePatches(colour, torch.ones_like(colour[:, :1]))

    def replay(self, log: StrokeLog, window: Window) -> Tensor:
        device = self.scene.device
        x = window.x + 0.5 + torch.arange(window.width, device=device)[None]
        y = window.y + 0.5 + torch.arange(window.height, device=device)[None]
        size = (round(log.size[0] * window.scale), round(log.size[1] * window.scale))
        colour = self._colours_in_chunks(log.actions[:1].to(device), x, y, size)[0]
        return colour if len(log.background) == 3 else torch.cat([colour, torch.ones_like(colour[:1])])

    def _colours_in_chunks(self, actions: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
        """Compute `colours_at` in chunks of rows to bound the memory; the backward pass recomputes each chunk."""
        rows = max(1, _MAX_CHUNK_PIXELS // (len(actions) * x.shape[1]))
        if rows >= y.shape[1]:
            return self.colours_at(actions, x, y, size)
        chunks = torch.split(y, rows, dim=1)
        if not torch.is_grad_enabled():
            return torch.cat([self.colours_at(actions, x, chunk, size) for chunk in chunks], dim=2)
        colours = [checkpoint(self.colours_at, actions, x, chunk, size, use_reentrant=False) for chunk in chunks]
        return torch.cat(colours, dim=2)


def to_unit_variance(actions: Tensor) -> Tensor:
    """Map actions in [0, 1] to the real numbers; uniformly distributed actions get a variance of about 1.

    The result is linear in the logits of the actions.
    """
    return torch.logit(actions, eps=1e-6) / _LOGISTIC_STD


def array_space(name: str, *shape: int) -> ActionSpace:
    """Return an action space with one dimension for each element of an array of the given shape."""
    return ActionSpace(name, tuple(Dimension(f"n{index}", "quantile") for index in range(math.prod(shape))))
