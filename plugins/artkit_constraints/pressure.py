"""``type = "pressure"``: the pressure of the pen lies in a range."""

from __future__ import annotations

from torch import Tensor

from artkit_constraints.dimensions import PRESSURE, is_lifted
from artkit_constraints.range_constraint import RangeConstraint


class Pressure(RangeConstraint):
    """Limits the pressure at both ends of a stroke. Strokes that another constraint lifts keep pressure 0."""

    name = "pressure"
    dimensions = PRESSURE

    def _is_exempt(self, actions: Tensor) -> Tensor:
        return is_lifted(actions, self._indices)
