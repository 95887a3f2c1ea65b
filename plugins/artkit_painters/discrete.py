"""``type = "discrete"``: strokes of the action space that the paper tried first (§3.1): ten levels of pressure and
size, and a flag that lifts the pen.

MyPaint paints the nearest levels. The gradient passes through the rounding as if it were not there (straight-through),
and a lifted stroke is painted too, to learn whether it would help: so none gets stuck because it cannot be seen. With
weights of a painter of such strokes that painter paints instead, as the paper has it, and makes what it will of values
between the levels (docs/discrete-actions.md).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from artkit import Config as BaseConfig
from artkit import InputFile, Place, Renderer, Scene, StrokeLog, StrokePatches, Window
from artkit_mypaint.action_spaces import DISCRETE_SPACE, LIFT, SHAPE_SIZE, STROKE_SPACE, quantize
from artkit_mypaint.mypaint import MyPaint
from artkit_painters import weights
from artkit_painters.dcgan import Generator
from artkit_painters.patches import paint_tiles_on_patches

_PRESSURES = STROKE_SPACE.index("start_pressure", "end_pressure")


class Discrete(Renderer):
    """Strokes of a brush of MyPaint's, of discrete actions."""

    name = "discrete"
    space = DISCRETE_SPACE

    class Config(BaseConfig):
        """Settings."""

        brush: str | None = None
        """The brush, as MyPaint names it; classic/dry_brush unless told, or the one that `weights` are of."""
        surrogate: str = "gan"
        """The painter of this brush whose gradient is taken, or "" for none: then nothing can be optimised, only
        painted again."""
        weights: InputFile | None = None
        """Weights of a painter that was trained with `trainer.discrete = true`; it then paints instead of MyPaint."""

    config: Config

    def __init__(self, config: Config, scene: Scene) -> None:
        super().__init__(config, scene)
        self.brush: MyPaint | None = None
        self.painter: Generator | None = None
        if config.weights:
            tensors, self.facts, found, file = weights.of_brush(
                "discrete", config.brush, config.weights, space=DISCRETE_SPACE
            )
            self.painter = Generator(discrete=True)
            weights.fill(self.painter, tensors, file)
            self.provenance["weights"] = found
            brush = str(self.facts["brush"])
        else:
            brush = config.brush or "classic/dry_brush"
            self.brush = MyPaint(MyPaint.Config(brush=brush, surrogate=config.surrogate), scene)
            self.provenance.update(self.brush.provenance)
        self.eval().requires_grad_(False)
        self.config = config.model_copy(update={"brush": brush})

    @property
    def differentiable(self) -> bool:  # type: ignore[override]
        """With a painter, or with a surrogate."""
        return self.brush is None or self.brush.differentiable

    def margin(self, side: int) -> int:
        return self.brush.margin(side) if self.brush else 0

    def forward(self, actions: Tensor, place: Place) -> StrokePatches:
        colour = actions[:, SHAPE_SIZE : len(STROKE_SPACE), None, None]
        if self.painter is not None:
            painter = self.painter
            return StrokePatches(
                colour, paint_tiles_on_patches(lambda some, _: painter(some), actions, place.stroke_index, place)
            )
        assert self.brush is not None
        nearest = quantize(actions.detach())
        through = nearest + (actions - actions.detach())  # the value of the one, the gradient of the other
        coverage = self.brush(through[:, : len(STROKE_SPACE)], place).coverage
        down = (1 - actions[:, LIFT])[:, None, None, None]
        soft = coverage * down
        painted = coverage.detach() * (1 - nearest[:, LIFT])[:, None, None, None]
        return StrokePatches(colour, painted + (soft - soft.detach()))

    def replay(self, log: StrokeLog, window: Window) -> Tensor:
        if self.brush is None:
            return super().replay(log, window)
        nearest = quantize(log.actions)
        shape = nearest[:, : len(STROKE_SPACE)].clone()
        shape[:, _PRESSURES] *= 1 - nearest[:, LIFT:]  # without pressure MyPaint leaves no paint
        plain = replace(log, actions=shape, space=STROKE_SPACE.name, names=STROKE_SPACE.names)
        return self.brush.replay(plain, window)
