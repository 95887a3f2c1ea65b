"""``type = "content"``: intrinsic style transfer (paper §5.2).

Only the content loss of neural style transfer is minimised; the brush strokes determine the style.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from artkit import Objective, Scene, TargetFile, View
from artkit.imaging.loading import Fit
from artkit_vision.features import FeatureExtractor, FeatureSettings, Layers


class Content(Objective):
    """Mean difference between the features of the picture and those of the target.

    Both get the same random transform. Objectives with the same network and transform settings share one forward pass.
    """

    name = "content"

    class Config(FeatureSettings):
        """Settings."""

        target: TargetFile
        """The image to paint; or `"first"`, the picture of the recipe's first stage, `[first]`."""
        fit: Fit = "cover"
        """How the image is fitted to the picture's size: cropped, padded, or stretched."""
        layers: Layers = ("blocks.1", "blocks.2")
        """Layers of the network; their losses are averaged."""
        norm: Literal["l1", "l2"] = "l1"
        """Mean absolute difference, as in the paper's released code, or mean squared difference, as in its text."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        # In a tuple, so that the frozen network is not part of this module's state.
        self._extractors = (FeatureExtractor.shared(config, config.layers, scene),)
        self.target = scene.load_image(config.target, config.fit)

    @property
    def extractor(self) -> FeatureExtractor:
        """The feature extractor, shared with other objectives."""
        return self._extractors[0]

    def forward(self, view: View) -> Tensor:
        assert view.target is not None
        features = self.extractor.picture(view)
        expected = self.extractor.transformed(view, view.target, self.target)
        losses = [_distance(features[layer], expected[layer], self.config.norm) for layer in self.config.layers]
        return torch.stack(losses).mean(0)


def _distance(features: Tensor, expected: Tensor, norm: str) -> Tensor:
    difference = features - expected
    return (difference.abs() if norm == "l1" else difference.square()).flatten(1).mean(1)
