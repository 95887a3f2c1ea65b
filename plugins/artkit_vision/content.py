"""``type = "content"``: intrinsic style transfer (paper §5.2). Only the content loss of neural style transfer is
minimised; the medium, brushstrokes, dictates the style.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from artkit import InputFile, Objective, Scene, View
from artkit.imaging.loading import Fit, load_target_image
from artkit_vision.features import Layers, Look, Looks


class Content(Objective):
    """Difference between what the layers of a network see in the picture and in the target.

    Both are moved together. Several of these that look through one network with the same moves share its pass.
    """

    name = "content"

    class Config(Looks):
        """Settings."""

        target: InputFile
        """The image to paint."""
        fit: Fit = "cover"
        """How the image is brought to the picture's size: cut to its shape, padded, or stretched."""
        layers: Layers = ("blocks.1", "blocks.2")
        """Which layers of the network; their losses are averaged."""
        norm: Literal["l1", "l2"] = "l1"
        """Mean absolute difference, as the paper's released code, or mean squared difference, as its text."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        # In a tuple, so that the network, which never changes, is no part of this module's state.
        self._looks = (Look.of(config, config.layers, scene),)
        self.target = load_target_image(config.target, scene.size, config.fit, scene.background.cpu()).to(scene.device)

    @property
    def look(self) -> Look:
        """The network that looks."""
        return self._looks[0]

    def forward(self, view: View) -> Tensor:
        assert view.target is not None
        seen = self.look.picture(view)
        wanted = self.look.moved(view, view.target, (self.config.target, self.config.fit))
        losses = [_distance(seen[layer], wanted[layer], self.config.norm) for layer in self.config.layers]
        return torch.stack(losses).mean(0)


def _distance(seen: Tensor, wanted: Tensor, norm: str) -> Tensor:
    difference = seen - wanted
    return (difference.abs() if norm == "l1" else difference.square()).flatten(1).mean(1)
