"""``type = "splatter"``: paint thrown at the canvas, which the paper's outlook names as a medium to come."""

from __future__ import annotations

from artkit import ActionSpace, Config as BaseConfig, Dimension, Place, Renderer, StrokePatches

import math

import torch
from pydantic import Field
from torch import Tensor

SMALLEST, LARGEST = 0.03, 0.16  # radius of the blot, tile units
FARTHEST = 0.35  # of a throw, either way along x and y, tile units


class Splatter(Renderer):
    """A blot where the paint lands, and drops that fly on. Drops that touch flow together."""

    name = "splatter"
    space = ActionSpace(
        "splatter-1",
        (
            Dimension("x", "tile"),
            Dimension("y", "tile"),
            Dimension("throw_x", "tile", -FARTHEST, FARTHEST),
            Dimension("throw_y", "tile", -FARTHEST, FARTHEST),
            Dimension("amount", "tile", SMALLEST, LARGEST),
            Dimension("red"),
            Dimension("green"),
            Dimension("blue"),
        ),
    )

    class Config(BaseConfig):
        """Settings."""

        drops: int = Field(12, ge=0, le=200)
        """Drops that fly on from a blot."""
        scatter: float = Field(0.4, ge=0, le=1)
        """How far they stray from the way of the throw, as a share of its length."""
        softness: float = Field(0.6, gt=0, lt=1)
        """How soft edges are. Harder ones look more like paint, and are harder to learn with."""

    config: Config

    def margin(self, side: int) -> int:
        stray = FARTHEST * (1 + math.sqrt(2) * self.config.scatter)
        return math.ceil((stray + 2 * LARGEST) * side)

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        x, y, radius = self._drops(actions, place)
        pixel = (torch.arange(place.patch_size, device=actions.device) + 0.5 - place.margin) / place.side
        # Each drop is a bump that has fallen to a half at its radius: the product of one along x and one along y.
        along_x = torch.exp2(-((pixel - x[..., None]) / radius[..., None]).square())  # (m, drops, S)
        along_y = torch.exp2(-((pixel - y[..., None]) / radius[..., None]).square())
        height = torch.einsum("mdy,mdx->myx", along_y, along_x)
        # Paint is where bumps together rise above a half.
        rise = ((height - 0.5) / self.config.softness + 0.5).clamp(0, 1)
        coverage = rise.square() * (3 - 2 * rise)
        return StrokePatches(colour=actions[:, 5:, None, None], coverage=coverage[:, None])

    def _drops(self, actions: Tensor, place: Place) -> tuple[Tensor, Tensor, Tensor]:
        """Where drops lie and how large they are: x, y and radius, (m, drops + 1) each, tile units."""
        x, y, throw_x, throw_y, amount = actions[:, :5, None].unbind(1)
        throw_x, throw_y = (throw_x * 2 - 1) * FARTHEST, (throw_y * 2 - 1) * FARTHEST
        amount = SMALLEST + (LARGEST - SMALLEST) * amount
        chance = place.random(4 * (self.config.drops + 1)).view(len(actions), 4, -1).to(actions.dtype)
        blot = torch.arange(chance.shape[-1], device=actions.device) == 0  # the first one lies where the paint lands
        flown = chance[:, 0].masked_fill(blot, 0.0)
        stray = self.config.scatter * flown * (throw_x.square() + throw_y.square() + 1e-8).sqrt()
        size = (1 - 0.7 * flown) * (0.3 + 0.5 * chance[:, 1]).masked_fill(blot, 1.0)
        x = x + flown * throw_x + stray * (chance[:, 2] * 2 - 1)
        y = y + flown * throw_y + stray * (chance[:, 3] * 2 - 1)
        return x, y, size * amount
