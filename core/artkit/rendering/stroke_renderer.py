"""The interface of a renderer as this package uses it, so that it does not import the interfaces of plugins."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.strokes.action_space import ActionSpace
from artkit.strokes.stroke_log import StrokeLog


class StrokePatches(NamedTuple):
    """m strokes, each rendered on a patch: its tile and the margin around it, S px a side. Straight alpha.

    colour: (m, 3, S, S), or (m, 3, 1, 1) for one colour per stroke; sRGB in [0, 1]. coverage: (m, 1, S, S) in [0, 1].

    Examples:
        >>> import artkit, torch
        >>> patches = artkit.StrokePatches(colour=torch.rand(2, 3, 1, 1), coverage=torch.ones(2, 1, 48, 48))
        >>> patches.coverage.shape
        torch.Size([2, 1, 48, 48])
    """

    colour: Tensor
    coverage: Tensor


class StrokeRenderer(Protocol):
    """The members of `artkit.Renderer` that rendering needs. See there for the full documentation."""

    @property
    def name(self) -> str:
        """The name of the component."""

    @property
    def device(self) -> torch.device:
        """The device of the scene."""

    @property
    def space(self) -> ActionSpace:
        """The space of its actions."""

    @property
    def shared(self) -> bool:
        """Whether all strokes share a single action."""

    def margin(self, side: int) -> int:
        """Return how far paint may extend beyond a tile of `side` px, in px."""

    def max_extent(self, actions: Tensor, side: int) -> Tensor | None:
        """Return how far the paint of actions (m, A) extends beyond their tiles: (m,) px, or None if unknown."""

    def __call__(self, actions: Tensor, place: Place) -> StrokePatches:
        """Render actions (m, A) on patches."""

    def forward_region(self, actions: Tensor, place: Place, region: Window) -> StrokePatches:
        """Render a region of the patches of actions (m, A), in px of the patch."""

    def replay(self, log: StrokeLog, window: Window) -> Tensor:
        """Render a window of a stroke log: (3 or 4, h, w)."""
