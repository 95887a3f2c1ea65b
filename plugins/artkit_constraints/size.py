"""``type = "size"``: the width of strokes lies in a range."""

from __future__ import annotations

from artkit_constraints.range_constraint import RangeConstraint


class Size(RangeConstraint):
    """Limits the size of the brush: 0 is the smallest, a radius of 1 px on a tile of 64 px, and 1 the largest, 7.4 px.

    The radius grows exponentially in between.
    """

    name = "size"
    dimensions = ("size",)
