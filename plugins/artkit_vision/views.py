"""Views of a picture: random parts of it, moved and noisy, as a classifier may meet them.

A picture that only one network likes, and only if no pixel is moved, has learnt that network's weaknesses. What holds
in many views holds for other networks, and for people, more often.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from artkit import Objective, UnitFloat, View


class Views(Objective.Config):
    """What an objective can be told of the views that its networks get of a picture."""

    views: Annotated[int, Field(ge=1, le=256)] = 4
    """How many views of the picture each network gets a step, drawn anew each time."""
    crop: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """A view is a square part of the picture, up to this share smaller than the largest square that fits in it."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """It is enlarged or reduced by up to this share besides."""
    shift: Annotated[float, Field(ge=0, le=1)] = 0.08
    """It is shifted by up to this share of the square's side besides; beyond the picture its edge goes on."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 15.0
    """It is turned by up to so many degrees."""
    flip: bool = True
    """Half of the views are mirrored, left to right."""
    tint: UnitFloat = 0.1
    """The contrast and the brightness of each of its colours change by up to this share."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Noise of up to this standard deviation is added to half of the views. It convinces networks of smooth pictures
    that they do not recognise without."""

    def key(self) -> tuple[object, ...]:
        """What objectives must have in common to look at the same views."""
        return tuple(getattr(self, name) for name in sorted(Views.model_fields) if name != "weight")


@dataclass(frozen=True)
class _Draw:
    """How v views are taken. Each value is (v,), but gain and offset, which are (v, 3).

    side: of the square, 1 for the largest that fits. place: of its centre, from -1 to 1 across what is left over, in x
    and y. shift: of the centre, in sides of that largest square. angle: radians. flip: -1 or 1. noise: its standard
    deviation.
    """

    side: Tensor
    place: tuple[Tensor, Tensor]
    shift: tuple[Tensor, Tensor]
    angle: Tensor
    flip: Tensor
    gain: Tensor
    offset: Tensor
    noise: Tensor


def _draw(told: Views, generator: torch.Generator) -> _Draw:
    around = 2 * torch.rand(told.views, 15, generator=generator) - 1  # in [-1, 1]
    flip = torch.where(around[:, 14] < 0, -1.0, 1.0) if told.flip else torch.ones(told.views)
    return _Draw(
        side=(1 - told.crop * (around[:, 0] + 1) / 2) * torch.exp(-math.log1p(told.zoom) * around[:, 1]),
        place=(around[:, 2], around[:, 3]),
        shift=(told.shift * around[:, 4], told.shift * around[:, 5]),
        angle=math.radians(told.rotate) * around[:, 12],
        flip=flip,
        gain=1 + told.tint * around[:, 6:9],
        offset=told.tint * around[:, 9:12] / 2,
        noise=told.noise * around[:, 13].clamp(min=0),
    )


def look(view: View, told: Views, side: int, generator: torch.Generator) -> Tensor:
    """The views (v, n, 3, side, side) of a step's pictures (n, 3, h, w), in [0, 1] up to noise.

    All objectives with the same settings get the same ones in a step, and networks of another `side` the same parts.
    """
    drawn = view.cached(("draw", *told.key()), lambda: _draw(told, generator))
    return view.cached(("views", side, *told.key()), lambda: _take(view.image, drawn, told, side, generator))


def _take(image: Tensor, drawn: _Draw, told: Views, side: int, generator: torch.Generator) -> Tensor:
    n, _, height, width = image.shape
    short = min(height, width)
    if short >= 2 * side:  # each pixel of a view then stands for several of the picture
        image = F.avg_pool2d(image, short // side, ceil_mode=True)
    half = drawn.side / 2 * short
    centre = [
        length / 2 + place * (length / 2 - half).clamp(min=0) + shift * short
        for length, place, shift in zip((width, height), drawn.place, drawn.shift, strict=True)
    ]
    cos, sin = drawn.angle.cos() * half, drawn.angle.sin() * half
    # From the view's coordinates to the picture's, both from -1 to 1.
    matrix = torch.stack(
        [
            torch.stack([2 * cos * drawn.flip / width, -2 * sin / width, 2 * centre[0] / width - 1], dim=-1),
            torch.stack([2 * sin * drawn.flip / height, 2 * cos / height, 2 * centre[1] / height - 1], dim=-1),
        ],
        dim=1,
    ).to(image)
    v = len(matrix)
    grid = F.affine_grid(matrix, [v, 3, side, side], align_corners=False)
    views = F.grid_sample(
        image.expand(v, n, *image.shape[1:]).flatten(0, 1),
        grid[:, None].expand(-1, n, -1, -1, -1).flatten(0, 1),
        padding_mode="border",
        align_corners=False,
    ).view(v, n, 3, side, side)
    gain, offset = (value.to(image).view(v, 1, 3, 1, 1) for value in (drawn.gain, drawn.offset))
    views = torch.addcmul(offset + (1 - gain) / 2, views, gain)
    if told.noise:
        grain = torch.randn(v, 1, 3, side, side, generator=generator)
        views = views + (drawn.noise.view(v, 1, 1, 1, 1) * grain).to(image)
    return views


def whole(image: Tensor, side: int) -> Tensor:
    """The largest square in the middle of pictures (n, 3, h, w), at a network's size: (n, 3, side, side)."""
    height, width = image.shape[-2:]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    square = image[:, :, top : top + short, left : left + short]
    return F.interpolate(square, (side, side), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
