"""``type = "pressure"``: how hard the pen is pressed."""

from __future__ import annotations

from torch import Tensor

from artkit_constraints.numbers import PRESSURE, Range, is_lifted


class Pressure(Range):
    """The pressures at both ends of a stroke lie in a range. Strokes that another constraint takes away keep none."""

    name = "pressure"
    numbers = PRESSURE

    def _excused(self, actions: Tensor) -> Tensor:
        return is_lifted(actions, self._places)
