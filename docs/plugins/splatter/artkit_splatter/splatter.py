"""``type = "splatter"``: splatter painting, a medium that the paper names as future work."""

from __future__ import annotations

import math

import torch
from artkit import ActionSpace, Dimension, Place, Renderer, StrokePatches
from artkit import Config as BaseConfig
from pydantic import Field
from torch import Tensor

MIN_RADIUS, MAX_RADIUS = 0.03, 0.16  # of the blot, tile units
MAX_THROW = 0.35  # length of a throw along x and along y, tile units


class Splatter(Renderer):
    """A blot where the paint lands, and drops that fly on. Drops that touch merge."""

    name = "splatter"
    space = ActionSpace(
        "splatter-1",
        (
            Dimension("x", "tile"),
            Dimension("y", "tile"),
            Dimension("throw_x", "tile", -MAX_THROW, MAX_THROW),
            Dimension("throw_y", "tile", -MAX_THROW, MAX_THROW),
            Dimension("amount", "tile", MIN_RADIUS, MAX_RADIUS),
            Dimension("red"),
            Dimension("green"),
            Dimension("blue"),
        ),
    )

    class Config(BaseConfig):
        """Settings."""

        drops: int = Field(12, ge=0, le=200)
        """Number of drops that fly on from a blot."""
        scatter: float = Field(0.4, ge=0, le=1)
        """How far drops deviate from the direction of the throw, as a share of its length."""
        softness: float = Field(0.6, gt=0, lt=1)
        """Softness of the edges. Harder edges look more like paint but give a worse gradient."""

    config: Config

    def margin(self, side: int) -> int:
        distance = MAX_THROW * (1 + math.sqrt(2) * self.config.scatter)
        return math.ceil((distance + 2 * MAX_RADIUS) * side)

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        x, y, radius = self._drops(actions, place)
        pixel = (torch.arange(place.patch_size, device=actions.device) + 0.5 - place.margin) / place.side
        # The height of a drop falls to 0.5 at its radius. It is the product of a function of x and a function of y.
        along_x = torch.exp2(-((pixel - x[..., None]) / radius[..., None]).square())  # (m, drops, S)
        along_y = torch.exp2(-((pixel - y[..., None]) / radius[..., None]).square())
        height = torch.einsum("mdy,mdx->myx", along_y, along_x)
        # A pixel is covered where the heights of all drops add up to more than 0.5.
        rise = ((height - 0.5) / self.config.softness + 0.5).clamp(0, 1)
        coverage = rise.square() * (3 - 2 * rise)
        return StrokePatches(colour=actions[:, 5:, None, None], coverage=coverage[:, None])

    def _drops(self, actions: Tensor, place: Place) -> tuple[Tensor, Tensor, Tensor]:
        """Return x, y and radius of the drops of each throw, (m, drops + 1) each, in tile units."""
        x, y, throw_x, throw_y, amount = actions[:, :5, None].unbind(1)
        throw_x, throw_y = (throw_x * 2 - 1) * MAX_THROW, (throw_y * 2 - 1) * MAX_THROW
        amount = MIN_RADIUS + (MAX_RADIUS - MIN_RADIUS) * amount
        random = place.random(4 * (self.config.drops + 1)).view(len(actions), 4, -1).to(actions.dtype)
        is_blot = torch.arange(random.shape[-1], device=actions.device) == 0  # the first drop stays where it lands
        flight = random[:, 0].masked_fill(is_blot, 0.0)  # share of the throw that the drop flies
        deviation = self.config.scatter * flight * (throw_x.square() + throw_y.square() + 1e-8).sqrt()
        size = (1 - 0.7 * flight) * (0.3 + 0.5 * random[:, 1]).masked_fill(is_blot, 1.0)
        x = x + flight * throw_x + deviation * (random[:, 2] * 2 - 1)
        y = y + flight * throw_y + deviation * (random[:, 3] * 2 - 1)
        return x, y, size * amount
