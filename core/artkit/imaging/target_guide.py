"""What strokes are initialised from: the colours of a target, and the directions of its edges."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


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
        self._structure_tensor = [F.avg_pool2d(product, 9, 1, 4)[0, 0] for product in (dx * dx, dy * dy, dx * dy)]
        self._blurred = blurred[0]

    def sample(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return the colours (n, N, 3) and the angles along the edges (n, N) at points (n, N, 2), px of the picture."""
        height, width = self._blurred.shape[-2:]
        x = (points[..., 0] * self._scale).round().long().clamp(0, width - 1)
        y = (points[..., 1] * self._scale).round().long().clamp(0, height - 1)
        xx, yy, xy = (component[y, x] for component in self._structure_tensor)
        normal_angle = 0.5 * torch.atan2(2 * xy, xx - yy)
        return self._blurred[:, y, x].permute(1, 2, 0), normal_angle + math.pi / 2
