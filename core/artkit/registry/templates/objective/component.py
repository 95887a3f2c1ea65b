"""``type = "newcomponent"``: a mean brightness."""

from __future__ import annotations

from artkit import Objective, UnitFloat, View
from torch import Tensor


class NewComponent(Objective):
    """Squared difference between the mean of the picture and a brightness."""

    name = "newcomponent"

    class Config(Objective.Config):
        """Settings."""

        brightness: UnitFloat = 0.7
        """Mean of red, green and blue over the picture; 0 is black, 1 is white."""

    config: Config

    def forward(self, view: View) -> Tensor:
        return (view.image.mean((1, 2, 3)) - self.config.brightness).square()
