"""Canvas: where do the strokes lie? (paper, Figure 13)

A canvas is a layout and holds no pixels. Its strokes come in phases: the tiles of a phase are so far apart that their
patches (tile and margin) never overlap, so each phase is composited in one operation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from artkit.config import Config
from artkit.geometry.phase import Phase
from artkit.interfaces.component import Component
from artkit.interfaces.scene import Scene
from artkit.rendering.layout import StrokeLayout


class Canvas(Component, StrokeLayout, ABC):
    """A layout of strokes on the picture of a scene. Subclasses implement `layout` and may set `clip`."""

    def __init__(self, config: Config, scene: Scene) -> None:
        self.config, self.provenance = config, {}
        self.size = scene.size
        self.phases = self.layout(scene)

    @abstractmethod
    def layout(self, scene: Scene) -> tuple[Phase, ...]:
        """Return the phases in painting order; stroke indices start at 0 and have no gaps.

        `scene.renderer` gives the margins.
        """
