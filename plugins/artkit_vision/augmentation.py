"""Random augmentation: crops of a picture that are scaled, shifted, rotated, mirrored, recoloured and noisy.

A picture that is optimised for a single view may only be adversarial to one network. A score that holds over many views
transfers better to other networks, and to people.
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
from artkit.devices import to_device


class AugmentationSettings(Objective.Config):
    """Settings of objectives whose networks get augmented views of a picture."""

    views: Annotated[int, Field(ge=1, le=256)] = 4
    """Views of the picture per network and step, drawn anew in each step."""
    crop: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """A view is a square of the picture, smaller by up to this fraction than the largest square that fits in it."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """It is also enlarged or reduced by up to this fraction."""
    shift: Annotated[float, Field(ge=0, le=1)] = 0.08
    """It is also shifted by up to this fraction of the largest square's side; edge pixels are repeated beyond the
    picture."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 15.0
    """It is rotated by up to this many degrees."""
    flip: bool = True
    """Half of the views are mirrored, left to right."""
    tint: UnitFloat = 0.1
    """The contrast and the brightness of each colour channel change by up to this fraction."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Gaussian noise of up to this standard deviation is added to half of the views. With it, networks also classify
    smooth pictures that they do not recognise otherwise."""

    def augmentation_key(self) -> tuple[object, ...]:
        """Return the settings that must be equal for objectives to share their views."""
        fields = sorted(AugmentationSettings.model_fields)
        return tuple(getattr(self, name) for name in fields if name not in Objective.Config.model_fields)


@dataclass(frozen=True)
class _Parameters:
    """Random parameters of v views. All are (v,), except gain and offset, which are (v, 3).

    side: of the square; 1 is the largest that fits. place: of its centre in x and y, from -1 to 1 over the free space.
    shift: of the centre, in sides of the largest square. angle: radians. flip: -1 or 1. noise: standard deviation.
    """

    side: Tensor
    place: tuple[Tensor, Tensor]
    shift: tuple[Tensor, Tensor]
    angle: Tensor
    flip: Tensor
    gain: Tensor
    offset: Tensor
    noise: Tensor


def _draw_parameters(settings: AugmentationSettings, generator: torch.Generator) -> _Parameters:
    random = 2 * torch.rand(settings.views, 15, generator=generator) - 1  # in [-1, 1]
    flip = torch.where(random[:, 14] < 0, -1.0, 1.0) if settings.flip else torch.ones(settings.views)
    return _Parameters(
        side=(1 - settings.crop * (random[:, 0] + 1) / 2) * torch.exp(-math.log1p(settings.zoom) * random[:, 1]),
        place=(random[:, 2], random[:, 3]),
        shift=(settings.shift * random[:, 4], settings.shift * random[:, 5]),
        angle=math.radians(settings.rotate) * random[:, 12],
        flip=flip,
        gain=1 + settings.tint * random[:, 6:9],
        offset=settings.tint * random[:, 9:12] / 2,
        noise=settings.noise * random[:, 13].clamp(min=0),
    )


def augment(view: View, settings: AugmentationSettings, side: int, generator: torch.Generator) -> Tensor:
    """Return random views (v, n, 3, side, side) of a step's pictures (n, 3, h, w), in [0, 1] except for noise.

    Within a step, objectives with the same settings get the same views, and networks with a different `side` the same
    crops.
    """
    key = settings.augmentation_key()
    parameters = view.cached(("augmentation", *key), lambda: _draw_parameters(settings, generator))
    return view.cached(("views", side, *key), lambda: _apply(view.image, parameters, settings, side, generator))


def _apply(
    image: Tensor, parameters: _Parameters, settings: AugmentationSettings, side: int, generator: torch.Generator
) -> Tensor:
    n, _, height, width = image.shape
    shorter = min(height, width)
    if shorter >= 2 * side:  # bilinear sampling would alias
        image = F.avg_pool2d(image, shorter // side, ceil_mode=True)
    matrix = _to_image(_affine_matrices(parameters, width, height), image)
    v = len(matrix)
    grid = F.affine_grid(matrix, [v, 3, side, side], align_corners=False)
    views = F.grid_sample(
        image.expand(v, n, *image.shape[1:]).flatten(0, 1),
        grid[:, None].expand(-1, n, -1, -1, -1).flatten(0, 1),
        padding_mode="border",
        align_corners=False,
    ).view(v, n, 3, side, side)
    gain, offset = (_to_image(value, image).view(v, 1, 3, 1, 1) for value in (parameters.gain, parameters.offset))
    views = torch.addcmul(offset + (1 - gain) / 2, views, gain)
    if settings.noise:
        noise = torch.randn(v, 1, 3, side, side, generator=generator)
        views = views + _to_image(parameters.noise.view(v, 1, 1, 1, 1) * noise, image)
    return views


def _to_image(values: Tensor, image: Tensor) -> Tensor:
    """Return random numbers, which are drawn on the CPU, with the device and dtype of an image."""
    return to_device(values, image.device).to(image.dtype)


def _affine_matrices(parameters: _Parameters, width: int, height: int) -> Tensor:
    """Return matrices (v, 2, 3) from the views' coordinates to the picture's, both from -1 to 1."""
    shorter = min(height, width)
    half = parameters.side / 2 * shorter
    centre = [
        length / 2 + place * (length / 2 - half).clamp(min=0) + shift * shorter
        for length, place, shift in zip((width, height), parameters.place, parameters.shift, strict=True)
    ]
    cos, sin, flip = parameters.angle.cos() * half, parameters.angle.sin() * half, parameters.flip
    return torch.stack(
        [
            torch.stack([2 * cos * flip / width, -2 * sin / width, 2 * centre[0] / width - 1], dim=-1),
            torch.stack([2 * sin * flip / height, 2 * cos / height, 2 * centre[1] / height - 1], dim=-1),
        ],
        dim=1,
    )


def resize_central_square(image: Tensor, side: int) -> Tensor:
    """Return the largest central square of pictures (n, 3, h, w), resized to (n, 3, side, side)."""
    height, width = image.shape[-2:]
    shorter = min(height, width)
    top, left = (height - shorter) // 2, (width - shorter) // 2
    square = image[:, :, top : top + shorter, left : left + shorter]
    return F.interpolate(square, (side, side), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
