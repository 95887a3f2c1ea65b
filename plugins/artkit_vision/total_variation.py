"""``type = "total-variation"``: penalise variation between neighbouring strokes or pixels.

A regulariser; combine it with an objective that has a target.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import Objective, Scene, UsageError, View


class TotalVariation(Objective):
    """Mean absolute difference between neighbours (Rudin, Osher and Fatemi, 1992).

    Neighbours are consecutive strokes in painting order, or adjacent pixels.
    """

    name = "total-variation"

    class Config(Objective.Config):
        """Settings."""

        of: Literal["strokes", "picture"] = "strokes"
        """Whether strokes or pixels are compared."""
        numbers: Annotated[tuple[str, ...], Field(min_length=1)] = (
            "start_pressure",
            "end_pressure",
            "size",
            "red",
            "green",
            "blue",
        )
        """With `of = "strokes"`: the dimensions of an action that are compared."""

    config: Config

    def __init__(self, config: BaseConfig, scene: Scene) -> None:
        super().__init__(config, scene)
        if self.config.of == "strokes":
            assert scene.renderer is not None
            space = scene.renderer.space
            if missing := [name for name in self.config.numbers if not space.has(name)]:
                raise UsageError(
                    f"total-variation: the strokes of this renderer have no {', '.join(missing)}",
                    hint=f'choose numbers from {", ".join(space.names)}, or set of = "picture"',
                )
            self._indices = torch.tensor(space.index(*self.config.numbers), device=scene.device)

    def forward(self, view: View) -> Tensor:
        if self.config.of == "picture":
            horizontal, vertical = (view.image.diff(dim=dim).abs().flatten(1).mean(1) for dim in (-1, -2))
            return horizontal + vertical
        if view.actions is None:
            raise UsageError(
                "total-variation of strokes needs all strokes in each step, but this picture is painted in windows",
                hint='set of = "picture", or make the picture smaller',
            )
        if view.actions.shape[1] < 2:
            return view.image.new_zeros(len(view.image))
        return view.actions[..., self._indices].diff(dim=1).abs().flatten(1).mean(1)
