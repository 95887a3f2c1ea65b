"""TODO: artkit.rendering.compositing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class TileLattice:
    """A lattice of sheets in a buffer: rows and columns of squares of `sheet` px, the first at (top, left), `pitch`
    px apart; `pitch` >= `sheet` unless there is only one.
    """

    top: int
    left: int
    pitch: int
    rows: int
    columns: int
    sheet: int

    def of(self, buffer: Tensor) -> Tensor:
        """The layer's pixels in a contiguous buffer (n, c, h, w), as a view (n, rows, columns, c, sheet, sheet)."""
        n, channels, height, width = buffer.shape
        return buffer.as_strided(
            (n, self.rows, self.columns, channels, self.sheet, self.sheet),
            (channels * height * width, self.pitch * width, self.pitch, height * width, width, 1),
            self.top * width + self.left,
        )


def composite(ground: Tensor, layers: Sequence[TileLattice], paints: Sequence[Tensor]) -> Tensor:
    """Paint layers over a ground, each one over what lies there: ``canvas = canvas + coverage (colour - canvas)``.

    ground (n, c, h, w); paints: colour (n, m, c, S or 1, S or 1) and coverage (n, m, 1, S, S) of each layer in turn.
    """
    painted: Tensor = _Composite.apply(ground, list(layers), *paints)  # type: ignore[no-untyped-call]
    return painted


class _Composite(torch.autograd.Function):
    """Keeps of each layer only what its gradient needs: its coverage and, for a coverage that has a gradient itself,
    the difference between its colour and what lay below.
    """

    @staticmethod
    def forward(ctx: Any, ground: Tensor, layers: list[TileLattice], *paints: Tensor) -> Tensor:
        buffer = ground.contiguous().clone()
        wanted = ctx.needs_input_grad[3::2]
        overs: list[Tensor | None] = []
        covers = []
        for layer, colour, coverage, learnt in zip(layers, paints[::2], paints[1::2], wanted, strict=True):
            view = layer.of(buffer)
            over = colour.reshape(len(buffer), layer.rows, layer.columns, *colour.shape[2:]) - view
            cover = coverage.reshape(len(buffer), layer.rows, layer.columns, *coverage.shape[2:])
            view.addcmul_(cover, over)
            if any(ctx.needs_input_grad):
                overs.append(over if learnt else None)
                covers.append(cover)
        ctx.layers, ctx.shapes = layers, [paint.shape for paint in paints]
        ctx.save_for_backward(*overs, *covers)
        return buffer

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradients[0].contiguous().clone()
        count = len(ctx.layers)
        overs, covers = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        out: list[Tensor | None] = [None] * (2 * count)
        for index in range(count - 1, -1, -1):
            over, cover = overs[index], covers[index]
            view = ctx.layers[index].of(gradient)
            colour_shape, cover_shape = ctx.shapes[2 * index : 2 * index + 2]
            if ctx.needs_input_grad[2 + 2 * index]:
                colour = view * cover
                if colour_shape[-1] == 1:
                    colour = colour.sum((-2, -1))
                out[2 * index] = colour.reshape(colour_shape)
            if ctx.needs_input_grad[3 + 2 * index]:
                out[2 * index + 1] = (view * over).sum(-3).reshape(cover_shape)
            view.mul_(1 - cover)
        return (gradient if ctx.needs_input_grad[0] else None, None, *out)
