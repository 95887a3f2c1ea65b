"""``type = "style"``: the statistics of an image's texture, wherever in the picture (Gatys et al., 2016).

The paper does without it: brushstrokes bring a style of their own. It is here for comparison with that intrinsic style,
and to mix both.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from artkit import InputFile, Objective, Scene, View, Window
from artkit.imaging.loading import load_target_image
from artkit_vision.features import Layers, Look, Looks

_SIDE = 512
"""The most px a side that are looked at of an image: enough to know its texture."""


class Style(Objective):
    """Difference between the statistics of what the layers of a network see in the picture and in an image.

    Statistics do not tell where things are, so any window of a picture may be compared with the whole image.
    """

    name = "style"

    class Config(Looks):
        """Settings."""

        image: InputFile
        """The image whose style is wanted. It is cut to the picture's shape and size, so that its texture is as fine as
        it is seen there."""
        layers: Layers = ("blocks.0", "blocks.1", "blocks.2", "blocks.4")
        """Which layers of the network; their losses are averaged."""
        statistics: Literal["gram", "moments"] = "gram"
        """How strongly features occur together (Gatys et al., 2016), or the mean and deviation of each alone (Li et
        al., 2017)."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        look = Look.of(config, config.layers, scene)
        self._looks = (look,)  # in a tuple, so that it is no part of this module's state
        width, height = (min(side, _SIDE) for side in scene.size)
        corner = ((scene.size[0] - width) // 2, (scene.size[1] - height) // 2)
        whole = load_target_image(config.image, scene.size, background=scene.background.cpu())
        seen = look.still(whole.window(Window(*corner, width, height)).to(scene.device), (config.image, "style"))
        self._wanted = {layer: self._statistics(seen[layer]) for layer in config.layers}

    def forward(self, view: View) -> Tensor:
        seen = self._looks[0].picture(view)
        # Each layer's difference as a share of what is wanted: otherwise the layer with the largest numbers decides.
        losses = [
            (self._statistics(seen[layer]) - wanted).square().sum(1) / wanted.square().sum(1).clamp(min=1e-12)
            for layer, wanted in self._wanted.items()
        ]
        return torch.stack(losses).mean(0)

    def _statistics(self, features: Tensor) -> Tensor:
        """The statistics (n, s) of features (n, c, h, w)."""
        flat = features.flatten(2)
        if self.config.statistics == "gram":
            return (flat @ flat.mT / flat.shape[-1]).flatten(1)
        # The deviation has no slope at 0, where a feature never occurs.
        return torch.cat([flat.mean(-1), (flat.var(-1, correction=0) + 1e-6).sqrt()], dim=1)
