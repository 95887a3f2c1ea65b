"""``type = "dcgan"``: the paper's GAN painter (§2.3), a DCGAN generator conditioned on the bare action."""

from __future__ import annotations

from torch import Tensor

from artkit import Config as BaseConfig
from artkit import InputFile, Place, Renderer, Scene, StrokePatches, UsageError
from artkit_mypaint.action_spaces import SHAPE_SIZE, STROKE_SPACE
from artkit_painters import weights
from artkit_painters.dcgan_networks import Generator
from artkit_painters.patches import paint_tiles_on_patches


class Dcgan(Renderer):
    """The strokes of one brush, painted by the paper's generator and cut at the edge of their tile; colour is exact.

    As in the paper, the generator has no noise: an action has one stroke.
    """

    name = "dcgan"
    space = STROKE_SPACE

    class Config(BaseConfig):
        """Settings."""

        brush: str | None = None
        """The brush whose painter is used, among those with shipped weights. The default is the brush of `weights`, or
        classic/dry_brush."""
        weights: InputFile | None = None
        """Your own weights instead, of `train/dcgan`."""
        sha256: str = ""
        """The sha256 that these weights must have."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        tensors, metadata, checksum, file = weights.load_for_brush("dcgan", config.brush, config.weights, config.sha256)
        if metadata.get("architecture") != "dcgan":
            raise UsageError(f"{file} are not weights of a dcgan", hint="train them with `artkit run train/dcgan`")
        self.config = config.model_copy(update={"brush": str(metadata["brush"])})
        self.painter = Generator()
        weights.fill(self.painter, tensors, file)
        self.metadata = metadata
        self.provenance["weights"] = checksum
        self.eval().requires_grad_(False)

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        coverage = paint_tiles_on_patches(lambda chunk, _: self.painter(chunk), actions, place.stroke_index, place)
        return StrokePatches(actions[:, SHAPE_SIZE:, None, None], coverage)
