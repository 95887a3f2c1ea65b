"""Canvases: where the strokes lie (paper, Figure 13).

A canvas is a layout and holds no pixels. Its strokes come in phases: the tiles of a phase are so far apart that their
patches (tile and margin) never overlap, so each phase is composited in one operation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from artkit.config import Config
from artkit.geometry.phase import Phase
from artkit.interfaces.component import Component
from artkit.interfaces.scene import Scene
from artkit.rendering.layout import StrokeLayout


class Canvas(Component, StrokeLayout, ABC):
    """Lays out strokes on the picture of a scene. Subclasses implement `layout` and may set `clip`.

    clip: whether paint ends at the edge of its tile; False by default. uses_target: whether the layout depends on the
    target of the painting. Then `layout` is called a second time, once ``scene.target`` is known, and must return as
    many strokes as before.

    Examples:
        >>> import artkit
        >>> class Row(artkit.Canvas):
        ...     '''A row of squares, one stroke each.'''
        ...     name = "row"
        ...     def layout(self, scene):
        ...         width, height = scene.size
        ...         columns = range(0, width, height)
        ...         return tuple(artkit.Phase(i, x, 0, height, 1, 1, height) for i, x in enumerate(columns))
        >>> artkit.scene((96, 32)).make("canvas", Row).tiles().tolist()
        [[0, 0, 32], [32, 0, 32], [64, 0, 32]]
    """

    uses_target: ClassVar[bool] = False

    def __init__(self, config: Config, scene: Scene) -> None:
        self.config, self.provenance = config, {}
        self.size = scene.size
        self.phases = self.layout(scene)

    @abstractmethod
    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        """Return the phases in painting order. Stroke indices start at 0 and have no gaps.

        ``self.margin(scene.renderer, side)`` is the margin, px, around a tile of `side` px: tiles of the same phase
        must be at least two margins apart.
        """
