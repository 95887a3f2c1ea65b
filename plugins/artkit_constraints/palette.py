"""``type = "palette"``: few colours, listed in the recipe or taken from an image."""

from __future__ import annotations

import math
from typing import Annotated, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from artkit import Colour, Constraint, InputFile, Scene
from artkit.imaging.loading import load_target_image
from artkit_constraints.dimensions import COLOUR, TOLERANCE, dimension_indices

_START_TEMPERATURE, _END_TEMPERATURE = 0.1, 0.0005
"""Temperature of the softmax over squared distances in RGB, at the start and at the end of a run."""

_SAMPLE_SIDE = 64
"""Side in px to which an image is reduced before its colours are clustered."""

_KMEDIANS_ITERATIONS = 20


class Palette(Constraint):
    """Each stroke and the background have one of few colours.

    During the run the colour of a stroke is a softmax-weighted mean of the palette, with a falling temperature; at the
    end it is the nearest colour of the palette. Colours mix where translucent strokes overlap.
    """

    name = "palette"
    elementwise = True
    scheduled = ("colours",)

    class Config(Constraint.Config):
        """Settings."""

        colours: Annotated[tuple[Colour, ...], Field(max_length=256)] = ()
        """The colours; required without `image`."""
        image: InputFile | None = None
        """Image from which the colours are taken; required without `colours`."""
        count: Annotated[int, Field(ge=1, le=64)] = 6
        """Number of colours taken from the image."""

        @model_validator(mode="after")
        def _check(self) -> Self:
            if bool(self.colours) == bool(self.image):
                raise ValueError("give either colours or image")
            return self

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self._indices = dimension_indices(scene, self.name, *COLOUR)
        if config.image:
            sample = load_target_image(config.image, (_SAMPLE_SIDE, _SAMPLE_SIDE), "stretch", notes=scene.notes)
            palette = _cluster_colours(sample.pixels[0].flatten(1).T, config.count)
        else:
            palette = torch.tensor(config.colours)
        self.register_buffer("_palette", palette.to(scene.device), persistent=False)

    _palette: Tensor

    def forward(self, actions: Tensor, progress: float) -> Tensor:
        out = actions.clone()
        out[..., self._indices] = self._quantize(actions[..., self._indices], progress)
        return out

    def transform_background(self, colour: Tensor) -> Tensor:
        return self._quantize(colour, 1.0)

    def _quantize(self, colours: Tensor, progress: float) -> Tensor:
        """Return the colours (..., 3) moved towards the palette; from progress 1 on, the nearest of the palette."""
        distance = (colours[..., None, :] - self._palette).square().sum(-1)
        if progress >= 1:
            return F.embedding(distance.argmin(-1), self._palette)  # a single index, too, stays on the device
        start, end = math.log(_START_TEMPERATURE), math.log(_END_TEMPERATURE)
        temperature = math.exp(start + (end - start) * progress)
        return torch.softmax(-distance / temperature, dim=-1) @ self._palette

    def is_satisfied(self, actions: Tensor) -> bool:
        distance = (actions[..., self._indices][..., None, :] - self._palette).abs().amax(-1).amin(-1)
        return bool((distance <= TOLERANCE).all())


def _cluster_colours(colours: Tensor, count: int) -> Tensor:
    """Return `count` representative colours (count, 3) of the colours (m, 3), by k-medians.

    Medians do not mix the colours of two areas that meet at an edge, as means do. The clusters are initialised by
    farthest-point sampling.
    """
    centres = colours[:1]
    for _ in range(count):
        centres = torch.cat([centres, colours[torch.cdist(colours, centres).amin(1).argmax()][None]])
    centres = centres[1:]
    for _ in range(_KMEDIANS_ITERATIONS):
        nearest = torch.cdist(colours, centres).argmin(1)
        clusters = [colours[nearest == index] for index in range(count)]
        centres = torch.stack([m.median(0).values if len(m) else c for m, c in zip(clusters, centres, strict=True)])
    return centres
