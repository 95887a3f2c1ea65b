"""``type = "vae"``: the paper's first painter (§2.2): the decoder of an autoencoder of strokes, behind a network
from an action to its latent. It smudges, as the paper says.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import InputFile, Place, Renderer, Scene, StrokePatches
from artkit_mypaint.action_spaces import SHAPE_SIZE, STROKE_SPACE
from artkit_mypaint.pen_paths import stroke_seeds
from artkit_painters import weights
from artkit_painters.autoencoder import LATENT, VaePainter
from artkit_painters.patches import paint_tiles_on_patches


class Vae(Renderer):
    """The strokes of one brush as a VAE decodes them, cut at the edge of their tile; colour is exact."""

    name = "vae"
    space = STROKE_SPACE

    class Config(BaseConfig):
        """Settings."""

        brush: str | None = None
        """The brush whose painter to take, among those that artkit ships weights for; classic/dry_brush unless told, or
        the one that `weights` are of."""
        grain: bool = True
        """Stochastic decoding: each stroke is decoded from a latent that is drawn at random among those of its action;
        without, from their mean."""
        weights: InputFile | None = None
        """Weights of your own training instead."""
        sha256: str = ""
        """The sha256 these weights must have."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        tensors, facts, found, file = weights.of_brush("vae", config.brush, config.weights, config.sha256)
        self.config = config.model_copy(update={"brush": str(facts["brush"])})
        self.painter = VaePainter()
        weights.fill(self.painter, tensors, file)
        self.facts = facts
        self.provenance["weights"] = found
        self.eval().requires_grad_(False)

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        if self.config.grain:
            noise = normal(place.stroke_index, place.seed).to(actions)
            coverage = paint_tiles_on_patches(self.painter, actions, noise, place)
        else:
            coverage = paint_tiles_on_patches(lambda some, _: self.painter(some), actions, place.stroke_index, place)
        return StrokePatches(actions[:, SHAPE_SIZE:, None, None], coverage)


def normal(numbers: Tensor, seed: int) -> Tensor:
    """Standard normal noise (m, LATENT) of strokes, a function of their numbers (m,) and the seed alone."""
    counted = numbers.cpu().numpy()[:, None] * LATENT + np.arange(LATENT)
    uniform = (torch.from_numpy(stroke_seeds(counted, seed)) + 0.5) / (1 << 30)
    noise: Tensor = torch.special.ndtri(uniform.double())
    return noise
