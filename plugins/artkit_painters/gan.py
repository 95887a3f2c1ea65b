"""``type = "gan"``: a neural painter trained on MyPaint's own strokes (paper §2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import InputFile, Place, Renderer, Scene, StrokePatches, UsageError, Window
from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import SHAPE_SIZE, STROKE_SPACE
from artkit_mypaint.brush_files import BrushName
from artkit_mypaint.stroke_seeds import stroke_seeds
from artkit_painters import weights
from artkit_painters.cell_blocks import BLOCK, round_up_to_blocks
from artkit_painters.dab_painter import DabPainter
from artkit_painters.geometry_painter import GeometryPainter


class Gan(Renderer):
    """The strokes of one brush, painted by a network: coverage is learned, colour is exact."""

    name = "gan"
    space = STROKE_SPACE

    class Config(BaseConfig):
        """Settings."""

        brush: BrushName | None = None
        """The brush whose painter is used, among those with shipped weights. The default is the brush of `weights`, or
        classic/dry_brush."""
        grain: bool = True
        """Paint with stroke noise: a sample of the brush's randomness, dab by dab. Otherwise the mean of all samples,
        which is faster and has a smoother gradient."""
        weights: InputFile | None = None
        """Your own weights instead: of `train/gan` for samples, of `train/mean` for the mean."""
        sha256: str = ""
        """The sha256 that these weights must have."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        kind = "gan" if config.grain else "mean"
        tensors, metadata, checksum, file = weights.load_for_brush(kind, config.brush, config.weights, config.sha256)
        self.config = config.model_copy(update={"brush": str(metadata["brush"])})
        self.painter = _build_painter(metadata, config.grain, file)
        weights.fill(self.painter, tensors, file)
        self.metadata = metadata
        self.provenance["weights"] = checksum
        self.eval().requires_grad_(False)

    @staticmethod
    def trained_brushes() -> list[str]:
        """Return the brushes for which weights ship: of samples, and of the mean whose gradient `mypaint` uses."""
        return sorted(set(weights.shipped_brushes("gan")) & set(weights.shipped_brushes("mean")))

    def margin(self, side: int) -> int:
        return stroke_geometry.margin(side)

    def max_extent(self, actions: Tensor, side: int) -> Tensor | None:
        return self.painter.max_extent(actions, float(side))

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        return self.forward_region(actions, place, Window(0, 0, place.patch_size, place.patch_size))

    def forward_region(self, actions: Tensor, place: Place, region: Window) -> StrokePatches:
        x, y, side = region.x - place.margin, region.y - place.margin, float(place.side)
        corner = _corner(actions, x, y)
        if isinstance(self.painter, DabPainter):
            seeds = stroke_seeds(place.stroke_index, place.seed)
            coverage = self.painter.forward_region(actions, corner, side, (region.width, region.height), seeds)
        else:
            odd_x, odd_y = x % BLOCK, y % BLOCK
            size = (round_up_to_blocks(odd_x + region.width), round_up_to_blocks(odd_y + region.height))
            coverage = self.painter.forward_region(actions, _corner(actions, x - odd_x, y - odd_y), side, size)
            coverage = coverage[..., odd_y : odd_y + region.height, odd_x : odd_x + region.width]
        return StrokePatches(actions[:, SHAPE_SIZE:, None, None], coverage)


def _corner(actions: Tensor, x: int, y: int) -> Tensor:
    """Return the point (x, y) for each of m actions: (m, 2)."""
    return torch.stack([actions.new_full((len(actions),), float(value)) for value in (x, y)], dim=1)


def _build_painter(metadata: Mapping[str, Any], grain: bool, file: Path) -> GeometryPainter | DabPainter:
    """Build the untrained network of weights.

    Raises UsageError if the metadata are incomplete, or if the network paints samples where the mean is requested or
    the reverse.
    """
    architecture = metadata.get("architecture")
    if architecture == "dcgan":
        raise UsageError(f"{file} are weights of a dcgan", hint='set renderer.type = "dcgan"')
    painter: GeometryPainter | DabPainter
    try:
        painter = (DabPainter if architecture == "dabs" else GeometryPainter).from_metadata(metadata)
    except ValidationError as error:
        raise weights.metadata_error(file, error) from None
    if grain != isinstance(painter, DabPainter):
        paints = "the mean of a brush" if grain else "samples of a brush"
        raise UsageError(f"the weights {file} paint {paints}", hint=f"set grain = {str(not grain).lower()}")
    return painter
