"""``type = "newpart"``: a picture as bright as one likes."""

from __future__ import annotations

from artkit import Objective, UnitFloat, View

from torch import Tensor


class NewPart(Objective):
    """Squared difference between the picture's mean and the brightness wanted."""

    name = "newpart"

    class Config(Objective.Config):
        """Settings."""

        wanted: UnitFloat = 0.7
        """Mean of red, green and blue over the picture; 0 is black, 1 is white."""

    config: Config

    def forward(self, view: View) -> Tensor:
        return (view.image.mean((1, 2, 3)) - self.config.wanted).square()
