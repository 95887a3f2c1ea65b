"""``type = "libmypaint"``: `mypaint` with strokes painted by the C library, the reference of the compiled engine."""

from __future__ import annotations

from artkit import Scene
from artkit_mypaint.mypaint import MyPaint
from artkit_mypaint.workers import Workers


class LibMyPaint(MyPaint):
    """Strokes of a MyPaint brush, painted by libmypaint in processes of its own; for comparison."""

    name = "libmypaint"
    painter_class = Workers

    def __init__(self, config: MyPaint.Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self.painter.brush.require_one_colour()
