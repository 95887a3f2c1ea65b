"""``type = "vae"``: the paper's first painter (§2.2).

A network maps an action to the latent of its stroke, which the decoder of an autoencoder of strokes paints. The strokes
are blurred, as the paper reports.
"""

from __future__ import annotations

import torch
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import InputFile, Place, Renderer, Scene, StrokePatches
from artkit_mypaint.action_spaces import SHAPE_SIZE, STROKE_SPACE
from artkit_mypaint.brush_files import BrushName
from artkit_mypaint.stroke_seeds import SEED_BITS, stroke_seeds
from artkit_painters import weights
from artkit_painters.autoencoder import LATENT, VaePainter
from artkit_painters.patches import paint_tiles_on_patches


class Vae(Renderer):
    """The strokes of one brush, decoded by a VAE and cut at the edge of their tile; colour is exact."""

    name = "vae"
    space = STROKE_SPACE

    class Config(BaseConfig):
        """Settings."""

        brush: BrushName | None = None
        """The brush whose painter is used, among those with shipped weights. The default is the brush of `weights`, or
        classic/dry_brush."""
        grain: bool = True
        """Stochastic decoding: each stroke is decoded from a random latent of its action. Otherwise from the mean
        latent."""
        weights: InputFile | None = None
        """Your own weights instead."""
        sha256: str = ""
        """The sha256 that these weights must have."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        tensors, metadata, checksum, file = weights.load_for_brush("vae", config.brush, config.weights, config.sha256)
        self.config = config.model_copy(update={"brush": str(metadata["brush"])})
        self.painter = VaePainter()
        weights.fill(self.painter, tensors, file)
        self.metadata = metadata
        self.provenance["weights"] = checksum
        self.eval().requires_grad_(False)

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        if self.config.grain:
            noise = latent_noise(place.stroke_index, place.seed).to(actions)
            coverage = paint_tiles_on_patches(self.painter, actions, noise, place)
        else:
            coverage = paint_tiles_on_patches(lambda chunk, _: self.painter(chunk), actions, place.stroke_index, place)
        return StrokePatches(actions[:, SHAPE_SIZE:, None, None], coverage)


def latent_noise(indices: Tensor, seed: int) -> Tensor:
    """Return standard normal noise (m, LATENT) of strokes, determined by their indices (m,) and the seed alone."""
    counters = indices[:, None] * LATENT + torch.arange(LATENT, device=indices.device)
    uniform = (stroke_seeds(counters, seed).double() + 0.5) / (1 << SEED_BITS)
    noise: Tensor = torch.special.ndtri(uniform)
    return noise
