"""``type = "pixel"``: difference between the pixels of the picture and of a target."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from artkit import Objective, Scene, TargetFile, UsageError, View
from artkit.imaging.loading import Fit


class Pixel(Objective):
    """Mean difference between the pixels of the picture and of the target, each channel in [0, 1]."""

    name = "pixel"

    class Config(Objective.Config):
        """Settings."""

        target: TargetFile | None = None
        """The image to paint. With `[data]` leave it out: each of its images is a target."""
        fit: Fit = "cover"
        """How the image is fitted to the picture's size: cropped, padded, or stretched."""
        norm: Literal["l1", "l2"] = "l2"
        """Mean absolute or mean squared difference."""
        scales: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (1,)
        """Side lengths, px: the mean colours of squares of each side are compared, and the losses averaged. A stroke
        beside its correct place has a gradient towards it only in large squares: try `[1, 4, 8]`."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        if config.target and scene.data:
            raise UsageError("pixel has two targets, its own and the images of [data]", hint="leave its target out")
        if not config.target and not scene.data:
            raise UsageError("pixel has no target", hint='set target = "FILE", or add [data] to the recipe')
        if config.target:
            self.target = scene.load_image(config.target, config.fit)

    def forward(self, view: View) -> Tensor:
        assert view.target is not None
        difference = view.image - view.target
        losses = []
        for scale in self.config.scales:
            pooled = F.avg_pool2d(difference, scale, ceil_mode=True) if scale > 1 else difference
            losses.append((pooled.abs() if self.config.norm == "l1" else pooled.square()).flatten(1).mean(1))
        return torch.stack(losses).mean(0)
