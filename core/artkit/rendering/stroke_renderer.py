"""What compositing needs of a renderer, so that this package does not depend on the interfaces of plugins."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.strokes.action_space import ActionSpace
from artkit.strokes.stroke_log import StrokeLog


class StrokePatches(NamedTuple):
    """m strokes, each rendered on a patch of its own: its tile and the margin around it, S px a side. Straight alpha.

    colour (m, 3, S, S), or (m, 3, 1, 1) where a stroke has one colour: sRGB in [0, 1]. coverage (m, 1, S, S) in [0, 1].
    """

    colour: Tensor
    coverage: Tensor


class StrokeRenderer(Protocol):
    """The methods of `artkit.interfaces.renderer.Renderer`, where they are documented."""

    @property
    def name(self) -> str: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def space(self) -> ActionSpace: ...

    @property
    def shared(self) -> bool: ...

    def margin(self, side: int) -> int: ...

    def max_extent(self, actions: Tensor, side: int) -> Tensor | None: ...

    def __call__(self, actions: Tensor, place: Place) -> StrokePatches: ...

    def forward_region(self, actions: Tensor, place: Place, region: Window) -> StrokePatches: ...

    def replay(self, log: StrokeLog, window: Window) -> Tensor: ...
