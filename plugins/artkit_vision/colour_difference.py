"""Perceived difference of colours: CIELAB and CIEDE2000."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_WHITE = (0.95047, 1.0, 1.08883)  # D65, 2 degrees
_XYZ_FROM_RGB = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)


def lab_from_srgb(image: Tensor) -> Tensor:
    """Convert sRGB (n, 3, h, w) in [0, 1] to CIELAB (n, 3, h, w), D65: L in [0, 100], a and b about -100 to 100."""
    rgb = image.double()
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = torch.einsum("ij,njhw->nihw", linear.new_tensor(_XYZ_FROM_RGB), linear)
    relative = xyz / linear.new_tensor(_WHITE).view(1, 3, 1, 1)
    x, y, z = torch.where(relative > 0.008856, relative.clamp(min=1e-9) ** (1 / 3), 7.787 * relative + 16 / 116).unbind(
        1
    )
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def ciede2000(first: Tensor, second: Tensor) -> Tensor:
    """Compute the colour difference CIEDE2000 of each pixel of two CIELAB images (n, 3, h, w): (n, h, w), from 0.

    About 1 is just noticeable (Sharma, Wu and Dalal, 2005).
    """
    (l1, a1, b1), (l2, a2, b2) = first.unbind(1), second.unbind(1)
    mean_chroma7 = ((torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2) ** 7
    stretch = 1 + 0.5 * (1 - (mean_chroma7 / (mean_chroma7 + 25.0**7)).sqrt())
    a1, a2 = a1 * stretch, a2 * stretch
    chroma1, chroma2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    hue1, hue2 = torch.atan2(b1, a1) % math.tau, torch.atan2(b2, a2) % math.tau
    lightness, chroma = (l1 + l2) / 2, (chroma1 + chroma2) / 2
    has_hue = chroma1 * chroma2 != 0
    turn = (hue2 - hue1 + math.pi) % math.tau - math.pi  # the shorter way round
    delta_hue = 2 * (chroma1 * chroma2).sqrt() * torch.sin(torch.where(has_hue, turn, torch.zeros_like(turn)) / 2)
    hue = torch.where(has_hue, hue1 + turn / 2, hue1 + hue2)
    tone = (
        1
        - 0.17 * torch.cos(hue - math.radians(30))
        + 0.24 * torch.cos(2 * hue)
        + 0.32 * torch.cos(3 * hue + math.radians(6))
        - 0.20 * torch.cos(4 * hue - math.radians(63))
    )
    s_lightness = 1 + 0.015 * (lightness - 50).square() / (20 + (lightness - 50).square()).sqrt()
    s_chroma, s_hue = 1 + 0.045 * chroma, 1 + 0.015 * chroma * tone
    degrees = torch.rad2deg(hue) % 360
    rotation = -2 * (chroma**7 / (chroma**7 + 25.0**7)).sqrt()
    rotation = rotation * torch.sin(torch.deg2rad(60 * torch.exp(-(((degrees - 275) / 25).square()))))
    dl, dc, dh = (l2 - l1) / s_lightness, (chroma2 - chroma1) / s_chroma, delta_hue / s_hue
    return (dl.square() + dc.square() + dh.square() + rotation * dc * dh).clamp(min=0).sqrt()
