"""``type = "palette"``: few colours, given or taken from an image."""

from __future__ import annotations

import math
from typing import Annotated, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from artkit import Colour, Constraint, InputFile, Scene
from artkit import Config as BaseConfig
from artkit.imaging.loading import load_target_image
from artkit_constraints.numbers import COLOUR, TOLERANCE, places

_SOFT, _HARD = 0.1, 0.0005
"""Squared distances in RGB within which a colour is drawn to several of the palette, at the start and at the end."""

_SIDE = 64
"""Pixels a side of what is looked at of an image."""


class Palette(Constraint):
    """Each stroke has one of few colours, and so has the ground.

    While the picture is painted a stroke's colour is a mixture of those near it, less and less; at the end it is the
    nearest of them exactly. In the picture they mix where strokes overlap.
    """

    name = "palette"
    elementwise = True

    class Config(BaseConfig):
        """Settings."""

        colours: Annotated[tuple[Colour, ...], Field(max_length=256)] = ()
        """The colours, or"""
        image: InputFile | None = None
        """an image that they are taken from."""
        count: Annotated[int, Field(ge=1, le=64)] = 6
        """How many are taken from the image."""

        @model_validator(mode="after")
        def _check(self) -> Self:
            if bool(self.colours) == bool(self.image):
                raise ValueError("say either colours or an image")
            return self

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._colour = places(scene, self.name, *COLOUR)
        if config.image:
            whole = load_target_image(config.image, (_SIDE, _SIDE), "stretch").pixels[0]
            chosen = _few(whole.flatten(1).T, config.count)
        else:
            chosen = torch.tensor(config.colours)
        self.register_buffer("_palette", chosen.to(scene.device), persistent=False)

    _palette: Tensor

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        out = actions.clone()
        out[..., self._colour] = self._mixed(actions[..., self._colour], progress)
        return out

    def transform_background(self, colour: Tensor) -> Tensor:
        return self._mixed(colour, 1.0)

    def _mixed(self, colour: Tensor, progress: float) -> Tensor:
        """Colours (..., 3) drawn towards the palette."""
        away = (colour[..., None, :] - self._palette).square().sum(-1)
        if progress >= 1:
            return self._palette[away.argmin(-1)]
        width = math.exp(math.log(_SOFT) + (math.log(_HARD) - math.log(_SOFT)) * progress)
        return torch.softmax(-away / width, dim=-1) @ self._palette

    def is_satisfied(self, actions: Tensor) -> bool:
        away = (actions[..., self._colour][..., None, :] - self._palette).abs().amax(-1).amin(-1)
        return bool((away <= TOLERANCE).all())


def _few(colours: Tensor, count: int) -> Tensor:
    """The `count` colours (count, 3) that stand for many, (m, 3): medians of clusters, so that none is a mixture of two
    that meet at an edge. They start as far apart as they can.
    """
    chosen = colours[:1]
    for _ in range(count):
        chosen = torch.cat([chosen, colours[torch.cdist(colours, chosen).amin(1).argmax()][None]])
    chosen = chosen[1:]
    for _ in range(20):
        nearest = torch.cdist(colours, chosen).argmin(1)
        members = [colours[nearest == index] for index in range(count)]
        chosen = torch.stack([m.median(0).values if len(m) else c for m, c in zip(members, chosen, strict=True)])
    return chosen
