"""``type = "temporal"``: consistency of a film, the difference to the previous frame moved along the flow."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from artkit import Objective, View


class Temporal(Objective):
    """Mean difference between the picture and the painting of the previous frame, moved to where the scene is now.

    Pixels that were not visible in the previous frame do not count. The value is 0 where there is no previous frame: at
    the beginning of a shot, and for a single picture.
    """

    name = "temporal"

    class Config(Objective.Config):
        """Settings."""

        norm: Literal["l1", "l2"] = "l1"
        """Mean absolute or mean squared difference."""

    config: Config

    def forward(self, view: View) -> Tensor:
        if view.previous is None:
            return view.image.new_zeros(len(view.image)) + 0 * view.image.sum((1, 2, 3))
        picture, visible = view.previous
        difference = (view.image - picture) * visible
        value = difference.abs() if self.config.norm == "l1" else difference.square()
        return value.flatten(1).mean(1)
