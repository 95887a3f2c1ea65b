"""``type = "style"``: match the texture statistics of an image (Gatys et al., 2016).

The paper does not use it: the brush strokes determine the style. It allows a comparison with that intrinsic style, and
a mixture of both.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from artkit import InputFile, Objective, Scene, View, Window
from artkit.imaging.loading import load_target_image
from artkit_vision.features import FeatureExtractor, FeatureSettings, Layers

_MAX_STYLE_SIDE = 512  # px; a larger style image is cropped to its centre, which is enough for its statistics


class Style(Objective):
    """Difference between feature statistics of the picture and those of an image.

    The statistics do not depend on position, so any window of a picture can be compared with the whole image.
    """

    name = "style"

    class Config(FeatureSettings):
        """Settings."""

        image: InputFile
        """The image whose style is to be matched. It is cropped and resized to the picture's size, which sets the
        scale of its texture."""
        layers: Layers = ("blocks.0", "blocks.1", "blocks.2", "blocks.4")
        """Layers of the network; their losses are averaged."""
        statistics: Literal["gram", "moments"] = "gram"
        """The Gram matrix of the features (Gatys et al., 2016), or the mean and standard deviation of each (Li et al.,
        2017)."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        extractor = FeatureExtractor.shared(config, config.layers, scene)
        self._extractors = (extractor,)  # in a tuple, so that the network is not part of this module's state
        width, height = (min(side, _MAX_STYLE_SIDE) for side in scene.size)
        corner = ((scene.size[0] - width) // 2, (scene.size[1] - height) // 2)
        image = load_target_image(config.image, scene.size, "cover", scene.background.cpu(), scene.notes)
        crop = image.window(Window(*corner, width, height)).to(scene.device)
        features = extractor.untransformed(crop, (config.image, "style"))
        self._expected = {layer: self._statistics(features[layer]) for layer in config.layers}

    def forward(self, view: View) -> Tensor:
        features = self._extractors[0].picture(view)
        # Relative to the squared norm; otherwise the layer with the largest values would dominate.
        losses = [
            (self._statistics(features[layer]) - expected).square().sum(1) / expected.square().sum(1).clamp(min=1e-12)
            for layer, expected in self._expected.items()
        ]
        return torch.stack(losses).mean(0)

    def _statistics(self, features: Tensor) -> Tensor:
        """Return the statistics (n, s) of features (n, c, h, w)."""
        flat = features.flatten(2)
        if self.config.statistics == "gram":
            return (flat @ flat.mT / flat.shape[-1]).flatten(1)
        # The square root has no finite gradient at 0, the variance of a feature that never occurs.
        return torch.cat([flat.mean(-1), (flat.var(-1, correction=0) + 1e-6).sqrt()], dim=1)
