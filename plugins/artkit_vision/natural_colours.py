"""``type = "natural-colours"``: give the picture the contrast that photos have, in lightness and in hue."""

from __future__ import annotations

import torch
from torch import Tensor

from artkit import Objective, View
from artkit.devices import to_device
from artkit.imaging.photo_colours import PHOTO_COLOUR_COMPONENTS

_CONTRAST_OF_ONE_PHOTO = 0.75
"""Standard deviation of the colours of one photo, about, relative to that of the colours of many together."""


class NaturalColours(Objective):
    """Squared difference between the contrast of the picture and that of photos.

    A prior for pictures without a target: classifiers are content with grey ones. The contrast is the standard
    deviation of the colours along their principal components in photos, lightness and two hues; the difference is
    relative to that of a photo. The mean colour is free.
    """

    name = "natural-colours"

    class Config(Objective.Config):
        """Settings."""

    def forward(self, view: View) -> Tensor:
        components = to_device(torch.tensor(PHOTO_COLOUR_COMPONENTS), view.image.device).to(view.image.dtype)
        values = torch.einsum("ck,nchw->nkhw", components / components.square().sum(0), view.image)
        std = (values.flatten(2).var(2) + 1e-6).sqrt()  # the root of 0 has no finite gradient
        return (std / _CONTRAST_OF_ONE_PHOTO - 1).square().mean(1)
