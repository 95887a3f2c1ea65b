"""What strokes are initialised from: the colours of a target, and the directions of its edges."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from artkit.imaging.target_image import TargetImage

_MAX_PIXELS = 1 << 21  # a larger target is reduced before strokes are initialised from it


class TargetGuide:
    """Blurred colours and edge directions of a target (1, 3, h, w). scale: px of it per px of the picture."""

    def __init__(self, pixels: Tensor, scale: float) -> None:
        pixels = pixels.cpu()
        self._scale = scale
        blurred = F.avg_pool2d(F.pad(pixels, (2, 2, 2, 2), mode="replicate"), 5, 1)
        grey = F.avg_pool2d(F.pad(blurred.mean(1, keepdim=True), (3, 3, 3, 3), mode="replicate"), 7, 1)
        dx = F.pad(grey.diff(dim=-1), (0, 1, 0, 0))
        dy = F.pad(grey.diff(dim=-2), (0, 0, 0, 1))
        # The main axis of the smoothed structure tensor is perpendicular to the edges.
        products = torch.cat([dx * dx, dy * dy, dx * dy], dim=1)
        self._structure_tensor = _channels_last(F.avg_pool2d(products, 9, 1, 4))
        self._blurred = _channels_last(blurred)

    @classmethod
    def of(cls, target: TargetImage) -> TargetGuide:
        """Return the guide of a target of any size."""
        return cls(*target.thumbnail(_MAX_PIXELS))

    def colours(self, points: Tensor) -> Tensor:
        """Return the colours (n, N, 3) at points (n, N, 2), px of the picture."""
        return self._blurred[self._pixels(points)]

    def angles(self, points: Tensor) -> Tensor:
        """Return the angles along the edges (n, N) at points (n, N, 2), px of the picture."""
        xx, yy, xy = self._structure_tensor[self._pixels(points)].unbind(-1)
        normal_angle = 0.5 * torch.atan2(2 * xy, xx - yy)
        return normal_angle + math.pi / 2

    def _pixels(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows and columns of the pixels at points (n, N, 2)."""
        height, width = self._blurred.shape[:2]
        x, y = (points * self._scale).round().long().unbind(-1)
        return y.clamp(0, height - 1), x.clamp(0, width - 1)


def _channels_last(image: Tensor) -> Tensor:
    """Return an image (1, channels, h, w) as (h, w, channels), whose channels lie side by side in memory."""
    return image[0].permute(1, 2, 0).contiguous()
