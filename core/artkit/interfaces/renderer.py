"""Renderers: draw actions as strokes (paper §2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from artkit import memory
from artkit.config import Config
from artkit.devices import to_device
from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.interfaces.component import Component
from artkit.interfaces.scene import Scene
from artkit.rendering.layout import StrokeLayout
from artkit.rendering.stroke_renderer import StrokePatches
from artkit.strokes.action_space import ActionSpace
from artkit.strokes.stroke_log import StrokeLog


class Renderer(Component, nn.Module, ABC):
    """Renders actions as colour and coverage. Subclasses set `space` and implement `forward`.

    space: the action space, which gives names and units to the A numbers of an action. differentiable: whether
    gradients flow through `forward`; otherwise the renderer can only export. shared: whether a picture has a single
    action, which is rendered on every tile according to the tile's place.

    Examples:
        >>> import artkit, torch
        >>> class Tint(artkit.Renderer):
        ...     '''Covers the whole tile evenly.'''
        ...     name = "tint"
        ...     space = artkit.ActionSpace("tint-1", tuple(map(artkit.Dimension, ("red", "green", "blue", "opacity"))))
        ...     def forward(self, actions, place):
        ...         size = place.patch_size
        ...         coverage = actions[:, 3:, None, None].expand(-1, 1, size, size)
        ...         return artkit.StrokePatches(actions[:, :3, None, None], coverage)
        >>> renderer = artkit.scene().make("renderer", Tint)
        >>> place = artkit.Place(torch.zeros(2, 2), 16, 0, torch.arange(2), (16, 16), seed=0)
        >>> renderer(torch.rand(2, 4), place).coverage.shape
        torch.Size([2, 1, 16, 16])
    """

    space: ActionSpace
    differentiable: ClassVar[bool] = True
    shared: ClassVar[bool] = False

    def __init__(self, config: Config, scene: Scene) -> None:
        nn.Module.__init__(self)
        self.config, self.scene, self.provenance = config, scene, {}

    @property
    def device(self) -> torch.device:
        """The device of the scene."""
        return self.scene.device

    def margin(self, side: int) -> int:
        """Return how far paint may extend beyond a tile of `side` px, in px. 0 by default.

        Coverage must fall to 0 within the margin, or seams become visible.
        """
        return 0

    def max_extent(self, actions: Tensor, side: int) -> Tensor | None:
        """Return how far the paint of actions (m, A), or its gradient, extends beyond tiles of `side` px: (m,) px.

        Patches are cropped to it before they are composited. None, the default, means up to the margin.
        """
        return None

    @abstractmethod
    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        """Render actions (m, A) in [0, 1], each on a patch of its own of ``place.patch_size`` px, S.

        Return `StrokePatches`: colour (m, 3, S, S) or (m, 3, 1, 1), sRGB in [0, 1], and coverage (m, 1, S, S) in
        [0, 1]. Random numbers come from ``place.random(count)``. A stroke must look the same whichever strokes are
        rendered with it.
        """

    def forward_region(self, actions: Tensor, place: Place, region: Window) -> StrokePatches:
        """Render a region of the patches: (m, ..., region.height, region.width).

        region: in px of the patch. Called for strokes that are much larger than the window. The default renders whole
        patches and crops them; renderers that can render a region alone should override it. Raises UsageError if the
        patches do not fit into memory.
        """
        memory.check_memory(
            16 * len(actions) * place.patch_size**2,
            f"a stroke on {place.patch_size:,} x {place.patch_size:,} px would take",
            hint="render with mypaint or gan, which can render a stroke region by region, or at a smaller scale",
            device=self.device,
        )
        rows = slice(region.y, region.y + region.height)
        columns = slice(region.x, region.x + region.width)
        colour, coverage = self(actions, place)
        return StrokePatches(
            colour[..., rows, columns] if colour.shape[-1] > 1 else colour, coverage[..., rows, columns]
        )

    def replay(self, log: StrokeLog, window: Window) -> Tensor:
        """Render a window of the picture of a stroke log: (3, h, w), sRGB.

        If the log's background has four values, all zero, the result is the paint alone, premultiplied: (4, h, w).
        Renderers with a faster or more exact way than compositing patches override this.
        """
        device = self.scene.device
        layout = StrokeLayout(log.size, log.phases, log.clip, log.noise_indices)
        background = torch.tensor(log.background, device=device)
        pictures = layout.render(
            self, lambda indices: to_device(log.actions[indices], device)[None], background, log.seed, window
        )
        return pictures[0]
