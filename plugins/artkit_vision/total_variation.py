"""``type = "total-variation"``: how restless a picture is, or the hand that paints it: a regulariser
beside an objective that says what the picture should be.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import Objective, Scene, UsageError, View


class TotalVariation(Objective):
    """Mean absolute difference between neighbours (Rudin, Osher and Fatemi 1992): of strokes, those painted one after
    the other; of the picture, adjacent pixels.
    """

    name = "total-variation"

    class Config(Objective.Config):
        """Settings."""

        of: Literal["strokes", "picture"] = "strokes"
        """What is to be calm."""
        numbers: Annotated[tuple[str, ...], Field(min_length=1)] = (
            "start_pressure",
            "end_pressure",
            "size",
            "red",
            "green",
            "blue",
        )
        """With `of = "strokes"`: which numbers of an action are compared."""

    config: Config

    def __init__(self, config: BaseConfig, scene: Scene) -> None:
        super().__init__(config, scene)
        if self.config.of == "strokes":
            assert scene.renderer is not None
            space = scene.renderer.space
            if missing := [number for number in self.config.numbers if not space.has(number)]:
                raise UsageError(
                    f"total-variation: an action of this renderer has no {', '.join(missing)}",
                    hint=f'numbers may be some of {", ".join(space.names)}; or say of = "picture"',
                )
            self._compared = space.index(*self.config.numbers)

    def forward(self, view: View) -> Tensor:
        if self.config.of == "picture":
            across, down = (view.image.diff(dim=axis).abs().flatten(1).mean(1) for axis in (-1, -2))
            return across + down
        if view.actions is None:
            raise UsageError(
                "total-variation of strokes needs all strokes in each step, and this picture is painted by windows",
                hint='say of = "picture", or make the picture smaller',
            )
        if view.actions.shape[1] < 2:
            return view.image.new_zeros(len(view.image))
        return view.actions[..., self._compared].diff(dim=1).abs().flatten(1).mean(1)
