"""``type = "histogram"``: the colours of another image, wherever they are."""

from __future__ import annotations

from artkit import InputFile, Objective, Scene, View

import torch
from artkit.imaging.loading import load_target_image
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F


class Histogram(Objective):
    """How far colours would have to be moved to become those of an image.

    The sliced Wasserstein distance (Rabin et al., 2011): along some directions of colour, sorted values are compared.
    """

    name = "histogram"

    class Config(Objective.Config):
        """Settings."""

        image: InputFile
        """The image whose colours are wanted."""
        side: int = Field(256, ge=8, le=4096)
        """The image is brought to so many px a side before its colours are counted."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        # Red, green and blue, and the diagonals between them: lightness, and three ways from a colour to its opposite.
        axes = torch.cat([torch.eye(3), torch.tensor([[1.0, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]]) / 3**0.5])
        self._axes = axes.to(scene.device)
        pixels = load_target_image(config.image, (config.side, config.side), "stretch").pixels.to(scene.device)
        self._wanted = self._values(pixels)

    def forward(self, view: View) -> Tensor:
        values = self._values(view.image)
        # As many values of the image as the picture has, evenly from the smallest to the largest.
        wanted = F.interpolate(self._wanted, values.shape[-1], mode="linear", align_corners=True)
        return (values - wanted).abs().mean((1, 2))

    def _values(self, pixels: Tensor) -> Tensor:
        """Sorted values of pictures (n, 3, h, w) along each axis: (n, axes, h w)."""
        return torch.einsum("ac,ncp->nap", self._axes, pixels.flatten(2)).sort(dim=-1).values
