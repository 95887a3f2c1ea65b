"""Canvases: where do strokes lie? (paper, Figure 13)

A canvas is a layout and holds no pixels. Its strokes come in phases: strokes on tiles so far apart that their sheets
(tile and margin) never overlap.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from artkit.compositing import Strokes, render
from artkit.config import Config
from artkit.geometry import Phase, Window, tiles_of
from artkit.part import Part, Scene
from artkit.renderer import Renderer


class Canvas(Part, ABC):
    """A layout of strokes on a picture of `size` (width, height) px.

    A subclass implements `layout`; `clip` tells that paint ends at the edge of its tile, as in the released code of the
    paper, where otherwise it runs over it as in the real program.
    """

    clip: bool = False
    phases: tuple[Phase, ...]

    def __init__(self, config: Config, scene: Scene) -> None:
        self.config, self.provenance, self.size = config, {}, scene.size
        self.phases = self.layout(scene)

    @abstractmethod
    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        """The phases in the order of painting, numbered without gap from 0. `scene.renderer` tells the margins."""

    def margin(self, renderer: Renderer, side: int) -> int:
        """Pixels around a tile of `side` px that are painted too."""
        return 0 if self.clip else renderer.margin(side)

    @property
    def strokes(self) -> int:
        """How many strokes a painting has."""
        return sum(phase.strokes for phase in self.phases)

    def tiles(self) -> Tensor:
        """The tile of each stroke in the order of painting: x, y and side in px, (N, 3) int64."""
        return tiles_of(self.phases)

    def render(
        self,
        renderer: Renderer,
        actions: Tensor | Strokes,
        background: Tensor,
        seed: int = 0,
        window: Window | None = None,
        learnt: Window | None = None,
    ) -> Tensor:
        """The pictures of actions (n, N, A), or a window of them: (n, 3, h, w), sRGB.

        Strokes are painted one over the other on `background` (3,), only those whose sheets touch the window, so that
        memory follows the window and never the picture. actions may be a function that gives those of the strokes with
        given numbers. learnt: only strokes whose tile has its centre there get a gradient; all unless told.
        """
        return render(self.phases, self.size, self.margin, renderer, actions, background, seed, window, learnt)
