"""``type = "pixel"``: the colours of a target, pixel by pixel."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from artkit import InputFile, Objective, Scene, UsageError, View
from artkit.imaging.loading import Fit, load_target_image


class Pixel(Objective):
    """Difference between the colours of the picture and of the target, each channel in [0, 1]."""

    name = "pixel"

    class Config(Objective.Config):
        """Settings."""

        target: InputFile | None = None
        """The image to paint. With `[data]` it is each of its pictures."""
        fit: Fit = "cover"
        """How the image is brought to the picture's size: cut to its shape, padded, or stretched."""
        norm: Literal["l1", "l2"] = "l2"
        """Mean absolute or mean squared difference."""
        scales: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (1,)
        """The mean colours of squares of so many px are compared, and the losses averaged. A stroke beside the place
        where it belongs sees that only in large squares: try `[1, 4, 8]`."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        if bool(config.target) == bool(scene.data):
            raise UsageError(
                "pixel has two things to paint, the pictures of [data] and its target"
                if config.target
                else "pixel has nothing to paint",
                hint="leave the target out" if config.target else 'say target = "FILE", or give the recipe [data]',
            )
        if config.target:
            self.target = load_target_image(config.target, scene.size, config.fit, scene.background.cpu()).to(
                scene.device
            )

    def forward(self, view: View) -> Tensor:
        assert view.target is not None
        difference = view.image - view.target
        losses = []
        for scale in self.config.scales:
            coarse = F.avg_pool2d(difference, scale, ceil_mode=True) if scale > 1 else difference
            losses.append((coarse.abs() if self.config.norm == "l1" else coarse.square()).flatten(1).mean(1))
        return torch.stack(losses).mean(0)
