"""``type = "discrete"``: strokes of the paper's first action space (§3.1).

Pressure and size have ten levels, and a flag lifts the pen.

MyPaint paints the nearest levels, and the gradient passes through the rounding unchanged (straight-through). Lifted
strokes are painted too for the gradient, so that a stroke does not stay lifted because it is invisible. With weights of
a painter of discrete strokes, the painter paints instead, as in the paper; it paints values between the levels too
(docs/discrete-actions.md).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from artkit import Config as BaseConfig
from artkit import InputFile, Place, Renderer, Scene, StrokeLog, StrokePatches, Window
from artkit_mypaint.action_spaces import DISCRETE_SPACE, LIFT, SHAPE_SIZE, STROKE_SPACE, quantize
from artkit_mypaint.brush_files import BrushName
from artkit_mypaint.mypaint import MyPaint
from artkit_painters import weights
from artkit_painters.dcgan_networks import Generator
from artkit_painters.patches import paint_tiles_on_patches

_PRESSURES = STROKE_SPACE.index("start_pressure", "end_pressure")


class Discrete(Renderer):
    """Strokes of a MyPaint brush with discrete actions."""

    name = "discrete"
    space = DISCRETE_SPACE

    class Config(BaseConfig):
        """Settings."""

        brush: BrushName | None = None
        """The brush, as MyPaint names it. The default is the brush of `weights`, or classic/dry_brush."""
        surrogate: str = "gan"
        """The painter of this brush that provides the gradient, or "" for none: then strokes can be rendered but not
        optimised."""
        weights: InputFile | None = None
        """Weights of a painter that was trained with `trainer.discrete = true`; it then paints instead of MyPaint."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self.brush: MyPaint | None = None
        self.painter: Generator | None = None
        if config.weights:
            tensors, self.metadata, checksum, file = weights.load_for_brush(
                "discrete", config.brush, config.weights, space=DISCRETE_SPACE
            )
            self.painter = Generator(discrete=True)
            weights.fill(self.painter, tensors, file)
            self.provenance["weights"] = checksum
            brush = str(self.metadata["brush"])
        else:
            brush = config.brush or "classic/dry_brush"
            self.brush = MyPaint(MyPaint.Config(brush=brush, surrogate=config.surrogate), scene)
            self.provenance.update(self.brush.provenance)
        self.eval().requires_grad_(False)
        self.config = config.model_copy(update={"brush": brush})

    @property
    def differentiable(self) -> bool:  # type: ignore[override]
        """Whether there is a painter or a surrogate."""
        return self.brush is None or self.brush.differentiable

    def margin(self, side: int) -> int:
        return self.brush.margin(side) if self.brush else 0

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        colour = actions[:, SHAPE_SIZE : len(STROKE_SPACE), None, None]
        if self.painter is not None:
            painter = self.painter
            return StrokePatches(
                colour, paint_tiles_on_patches(lambda chunk, _: painter(chunk), actions, place.stroke_index, place)
            )
        assert self.brush is not None
        nearest = quantize(actions.detach())
        straight_through = nearest + (actions - actions.detach())  # the value of `nearest`, the gradient of `actions`
        coverage = self.brush(straight_through[:, : len(STROKE_SPACE)], place).coverage
        lowered = (1 - actions[:, LIFT])[:, None, None, None]
        soft = coverage * lowered
        hard = coverage.detach() * (1 - nearest[:, LIFT])[:, None, None, None]
        return StrokePatches(colour, hard + (soft - soft.detach()))

    def replay(self, log: StrokeLog, window: Window) -> Tensor:
        if self.brush is None:
            return super().replay(log, window)
        nearest = quantize(log.actions)
        shape = nearest[:, : len(STROKE_SPACE)].clone()
        shape[:, _PRESSURES] *= 1 - nearest[:, LIFT:]  # at pressure 0, MyPaint leaves no paint
        stroke_log = replace(log, actions=shape, space=STROKE_SPACE.name, names=STROKE_SPACE.names)
        return self.brush.replay(stroke_log, window)
