"""``type = "gan"``: a painter trained against a critic on MyPaint's own strokes (paper §2.3)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from artkit.config import Config as BaseConfig
from artkit.config import InputFile
from artkit.errors import UsageError
from artkit.geometry import Place
from artkit.part import Scene
from artkit.renderer import Paint, Renderer
from artkit_painters import engine, stroke, weights
from artkit_painters.geometry import GeometryPainter


class Gan(Renderer):
    """The strokes of one brush as a network paints them: coverage is learnt, colour is exact."""

    name = "gan"
    space = stroke.SPACE

    class Config(BaseConfig):
        """Settings."""

        brush: str | None = None
        """The brush whose painter to take, among those that artkit ships weights for; classic/dry_brush unless told, or
        the one that `weights` are of."""
        grain: bool = True
        """Paint with the grain of the brush, a sample of its randomness; without it, the mean of all samples, whose
        gradient is smoother."""
        weights: InputFile | None = None
        """Weights of your own training instead."""
        sha256: str = ""
        """The sha256 these weights must have."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        kind = "gan" if config.grain else "mean"
        file = config.weights or weights.shipped(kind, config.brush or "classic/dry_brush")
        tensors, facts, found = weights.load(file, config.sha256)
        check_space(facts, file)
        if missing := sorted({"noise", "channels", "reach", "brush"} - facts.keys()):
            raise UsageError(
                f"{file} do not tell their {', '.join(missing)}", remedy="train them again with this artkit"
            )
        if config.brush and facts["brush"] != config.brush:
            raise UsageError(f"{file} are weights of the brush {facts['brush']}, not {config.brush}")
        self.config = config.model_copy(update={"brush": str(facts["brush"])})
        low, more = facts["reach"]
        self.painter = GeometryPainter(bool(facts["noise"]), int(facts["channels"]), (float(low), float(more)))
        try:
            self.painter.load_state_dict(tensors)
        except RuntimeError:
            raise UsageError(
                f"{file} are weights of another version of this painter", remedy="train it again"
            ) from None
        self.provenance["weights"] = found
        self.eval().requires_grad_(False)

    def margin(self, side: int) -> int:
        return stroke.margin(side)

    def reach(self, actions: Tensor, side: int) -> Tensor:
        return self.painter.overshoot(actions, float(side))

    def forward(self, actions: Tensor, place: Place) -> Paint:
        seeds = torch.from_numpy(engine.stroke_seeds(place.number.cpu().numpy(), place.seed)).to(actions.device)
        odd = place.margin % 2  # the painter's cells are two px wide and must lie as they did when it was trained
        coverage = self.painter(actions, float(place.side), place.margin + odd, seeds)
        if odd or coverage.shape[-1] != place.sheet:
            coverage = coverage[..., odd : odd + place.sheet, odd : odd + place.sheet]
        return Paint(actions[:, stroke.SHAPE :, None, None], coverage)


def check_space(facts: dict[str, object], file: Path) -> None:
    """Raises UsageError if weights were trained in another action space than this artkit's."""
    if facts.get("space") != stroke.SPACE.name:
        raise UsageError(
            f"{file} are weights for the action space {facts.get('space')}, not {stroke.SPACE.name}",
            remedy="train them again with this artkit",
        )
