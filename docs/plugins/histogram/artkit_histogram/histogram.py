"""``type = "histogram"``: match the colour distribution of another image."""

from __future__ import annotations

import torch
from artkit import InputFile, Objective, Scene, View
from artkit.imaging.loading import load_target_image
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F


class Histogram(Objective):
    """Distance between the colour distribution of the picture and that of an image.

    The sliced Wasserstein distance (Rabin et al., 2011): sorted values are compared along several colour axes.
    """

    name = "histogram"

    class Config(Objective.Config):
        """Settings."""

        image: InputFile
        """The image whose colours the picture should have."""
        side: int = Field(256, ge=8, le=4096)
        """The image is resized to this many px a side before its colours are counted."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        # Red, green, blue and the four diagonals of the colour cube: lightness, and three pairs of opposite colours.
        axes = torch.cat([torch.eye(3), torch.tensor([[1.0, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]]) / 3**0.5])
        self._axes = axes.to(scene.device)
        image = load_target_image(config.image, (config.side, config.side), "stretch", notes=scene.notes)
        self._target = self._sorted_values(image.pixels.to(scene.device))

    def forward(self, view: View) -> Tensor:
        values = self._sorted_values(view.image)
        # Resample the sorted values of the image to the number of pixels of the picture.
        target = F.interpolate(self._target, values.shape[-1], mode="linear", align_corners=True)
        return (values - target).abs().mean((1, 2))

    def _sorted_values(self, images: Tensor) -> Tensor:
        """Return the sorted values of images (n, 3, h, w) along each axis: (n, axes, h * w)."""
        return torch.einsum("ac,ncp->nap", self._axes, images.flatten(2)).sort(dim=-1).values
