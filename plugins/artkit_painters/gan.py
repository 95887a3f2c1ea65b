"""``type = "gan"``: a painter that learnt a brush from MyPaint's own strokes (paper §2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import InputFile, Place, Renderer, Scene, StrokePatches, UsageError, Window
from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import SHAPE_SIZE, STROKE_SPACE
from artkit_mypaint.pen_paths import stroke_seeds
from artkit_painters import weights
from artkit_painters.dab_painter import DabPainter
from artkit_painters.dcgan import Generator
from artkit_painters.geometry_painter import BLOCK, GeometryPainter, in_blocks
from artkit_painters.patches import paint_tiles_on_patches


class Gan(Renderer):
    """The strokes of one brush as a network paints them: coverage is learnt, colour is exact."""

    name = "gan"
    space = STROKE_SPACE

    class Config(BaseConfig):
        """Settings."""

        brush: str | None = None
        """The brush whose painter to take, among those that artkit ships weights for; classic/dry_brush unless told, or
        the one that `weights` are of."""
        grain: bool = True
        """Paint with the grain of the brush, a sample of its randomness, dab by dab; without it, the mean of all
        samples, which is faster and whose gradient is smoother."""
        weights: InputFile | None = None
        """Weights of your own training instead: of `train/gan` for samples, of `train/mean` for the mean."""
        sha256: str = ""
        """The sha256 these weights must have."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        kind = "gan" if config.grain else "mean"
        tensors, facts, found, file = weights.of_brush(kind, config.brush, config.weights, config.sha256)
        self.config = config.model_copy(update={"brush": str(facts["brush"])})
        self.painter = _painter(facts, config.grain, file)
        weights.fill(self.painter, tensors, file)
        self.facts = facts
        self.provenance["weights"] = found
        self.eval().requires_grad_(False)

    def margin(self, side: int) -> int:
        return 0 if isinstance(self.painter, Generator) else stroke_geometry.margin(side)

    def max_extent(self, actions: Tensor, side: int) -> Tensor | None:
        return None if isinstance(self.painter, Generator) else self.painter.overshoot(actions, float(side))

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        if isinstance(self.painter, Generator):
            painter = self.painter
            coverage = paint_tiles_on_patches(lambda some, _: painter(some), actions, place.stroke_index, place)
            return StrokePatches(actions[:, SHAPE_SIZE:, None, None], coverage)
        return self.forward_region(actions, place, Window(0, 0, place.patch_size, place.patch_size))

    def forward_region(self, actions: Tensor, place: Place, part: Window) -> StrokePatches:
        if isinstance(self.painter, Generator):
            return super().forward_region(actions, place, part)
        x, y, side = part.x - place.margin, part.y - place.margin, float(place.side)
        corner = actions.new_tensor([[x, y]]).expand(len(actions), -1)
        if isinstance(self.painter, DabPainter):
            chosen = stroke_seeds(place.stroke_index.cpu().numpy(), place.seed)
            seeds = torch.from_numpy(chosen).to(actions.device)
            coverage = self.painter.window(actions, corner, side, (part.width, part.height), seeds)
        else:
            odd_x, odd_y = x % BLOCK, y % BLOCK
            size = (in_blocks(odd_x + part.width), in_blocks(odd_y + part.height))
            coverage = self.painter.window(actions, corner - corner.new_tensor([odd_x, odd_y]), side, size)
            coverage = coverage[..., odd_y : odd_y + part.height, odd_x : odd_x + part.width]
        return StrokePatches(actions[:, SHAPE_SIZE:, None, None], coverage)


def _painter(facts: Mapping[str, Any], grain: bool, file: Path) -> GeometryPainter | DabPainter | Generator:
    """The painter that weights tell of. Raises UsageError if they do not, or paint otherwise than is wanted."""
    architecture = facts.get("architecture")
    try:
        if architecture == "dcgan":
            return Generator()
        painter: GeometryPainter | DabPainter
        painter = DabPainter.of(facts) if architecture == "dabs" else GeometryPainter.of(facts)
    except KeyError as missing:
        raise UsageError(
            f"{file} do not tell their {missing.args[0]}", hint="train them again with this artkit"
        ) from None
    if grain != isinstance(painter, DabPainter):
        paints = "the mean of a brush" if grain else "samples of a brush"
        raise UsageError(f"{file} are weights that paint {paints}", hint=f"say grain = {str(not grain).lower()}")
    return painter
