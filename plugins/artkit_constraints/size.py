"""``type = "size"``: strokes of a minimum and a maximum width."""

from __future__ import annotations

from artkit_constraints.numbers import Range


class Size(Range):
    """The size of the brush lies in a range: 0 is its finest, a 1 px radius on a tile of 64 px, 1 its broadest, 7.4 px.

    The radius grows exponentially in between.
    """

    name = "size"
    numbers = ("size",)
