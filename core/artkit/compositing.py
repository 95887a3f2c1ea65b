"""How paint builds up: phases of strokes composited one over the other, the whole picture or any window of it.

All strokes of a phase are painted in one operation, so a picture takes as many operations as it has phases, however
many tiles it has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from artkit.geometry import Phase, Place, Window
from artkit.renderer import Paint, Renderer


def render(
    phases: Sequence[Phase],
    size: tuple[int, int],
    margin_of: Callable[[Renderer, int], int],
    renderer: Renderer,
    actions: Tensor,
    background: Tensor,
    seed: int,
    window: Window | None,
) -> Tensor:
    """The pictures of actions (n, N, A), or a window of them: (n, 3, h, w), sRGB. See `Canvas.render`.

    margin_of: px around a tile of a renderer, given its side, that are painted too.
    """
    window = window or Window(0, 0, *size)
    scaled = [phase.enlarged(window.scale) for phase in phases] if window.scale != 1 else list(phases)
    # Margins grow with the picture rather than being asked for anew: phases must not overlap at any scale.
    margins = {
        large.side: math.floor(margin_of(renderer, phase.side) * window.scale + 1e-6)
        for phase, large in zip(phases, scaled, strict=True)
    }
    blocks = [block for phase in scaled if (block := _touching(phase, margins[phase.side], window))]
    left, top, right, bottom = window.x, window.y, window.x + window.width, window.y + window.height
    for block in blocks:
        phase, margin = block.phase, margins[block.phase.side]
        x, y = phase.x + block.column * phase.pitch - margin, phase.y + block.row * phase.pitch - margin
        sheet = phase.side + 2 * margin
        left, top = min(left, x), min(top, y)
        right = max(right, x + (block.columns - 1) * phase.pitch + sheet)
        bottom = max(bottom, y + (block.rows - 1) * phase.pitch + sheet)
    n = len(actions)
    ground = background.to(actions).view(1, 3, 1, 1).expand(n, 3, bottom - top, right - left)
    picture_size = (round(size[0] * window.scale), round(size[1] * window.scale))
    # Strokes of tiles of one size are drawn in one call of the renderer.
    drawn: dict[int, tuple[Paint, int]] = {}
    for side in margins:
        mine = [block for block in blocks if block.phase.side == side]
        if not mine:
            continue
        number = torch.cat([block.numbers() for block in mine])
        origin = torch.cat([block.origins() for block in mine])
        place = Place(
            origin=origin.to(actions.device).repeat(n, 1),
            side=side,
            margin=margins[side],
            number=number.to(actions.device).repeat(n),
            size=picture_size,
            seed=seed,
            scale=window.scale,
        )
        chosen = torch.zeros_like(number) if renderer.shared else number
        paint = renderer(actions[:, chosen.to(actions.device)].flatten(0, 1), place)
        drawn[side] = (paint, len(number))
    used = dict.fromkeys(drawn, 0)
    layers: list[_Layer] = []
    tensors: list[Tensor] = []
    for block in blocks:
        side, count = block.phase.side, block.rows * block.columns
        (colour, coverage), total = drawn[side]
        span = slice(used[side], used[side] + count)
        used[side] += count
        phase, margin = block.phase, margins[side]
        layers.append(
            _Layer(
                phase.y + block.row * phase.pitch - margin - top,
                phase.x + block.column * phase.pitch - margin - left,
                phase.pitch,
                block.rows,
                block.columns,
                side + 2 * margin,
            )
        )
        tensors += [t.view(n, total, *t.shape[1:])[:, span] for t in (colour, coverage)]
    painted = composite(ground, layers, tensors)
    return painted[
        :, :, window.y - top : window.y - top + window.height, window.x - left : window.x - left + window.width
    ]


@dataclass(frozen=True)
class _Block:
    """The part of a phase that touches a window: rows and columns from `row` and `column` on, in a buffer whose upper
    left lies at the origin of the coordinates.
    """

    phase: Phase
    row: int
    column: int
    rows: int
    columns: int

    def numbers(self) -> Tensor:
        """Which strokes of the painting these are: (rows * columns,) int64."""
        row = torch.arange(self.row, self.row + self.rows)[:, None] * self.phase.columns
        return (self.phase.first + row + torch.arange(self.column, self.column + self.columns)).reshape(-1)

    def origins(self) -> Tensor:
        return self.phase.origins()[self.numbers() - self.phase.first]


def _touching(phase: Phase, margin: int, window: Window) -> _Block | None:
    """The block of a phase whose sheets overlap a window."""
    spans = []
    for start, length, first, count in (
        (window.y, window.height, phase.y, phase.rows),
        (window.x, window.width, phase.x, phase.columns),
    ):
        low = first - margin
        # Sheet i covers [low + i pitch, low + i pitch + side + 2 margin).
        begin = max(0, math.floor((start - low - phase.side - 2 * margin) / phase.pitch) + 1)
        end = min(count, math.ceil((start + length - low) / phase.pitch))
        if end <= begin:
            return None
        spans.append((begin, end - begin))
    (row, rows), (column, columns) = spans
    return _Block(phase, row, column, rows, columns)


@dataclass(frozen=True)
class _Layer:
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
        """The layer's pixels in a contiguous buffer (n, 3, h, w), as a view (n, rows, columns, 3, sheet, sheet)."""
        n, channels, height, width = buffer.shape
        return buffer.as_strided(
            (n, self.rows, self.columns, channels, self.sheet, self.sheet),
            (channels * height * width, self.pitch * width, self.pitch, height * width, width, 1),
            self.top * width + self.left,
        )


def composite(ground: Tensor, layers: Sequence[_Layer], paints: Sequence[Tensor]) -> Tensor:
    """Paint layers over a ground, each one over what lies there: ``canvas = canvas + coverage (colour - canvas)``.

    ground (n, 3, h, w); paints: colour (n, m, 3, S or 1, S or 1) and coverage (n, m, 1, S, S) of each layer in turn.
    """
    painted: Tensor = _Composite.apply(ground, list(layers), *paints)  # type: ignore[no-untyped-call]
    return painted


class _Composite(torch.autograd.Function):
    """Keeps of each layer only what its gradient needs: the difference between its colour and what lay below."""

    @staticmethod
    def forward(ctx: Any, ground: Tensor, layers: list[_Layer], *paints: Tensor) -> Tensor:
        buffer = ground.contiguous().clone()
        saved = []
        for layer, colour, coverage in zip(layers, paints[::2], paints[1::2], strict=True):
            view = layer.of(buffer)
            over = colour.reshape(len(buffer), layer.rows, layer.columns, *colour.shape[2:]) - view
            cover = coverage.reshape(len(buffer), layer.rows, layer.columns, *coverage.shape[2:])
            view.addcmul_(cover, over)
            saved += [over, cover]
        ctx.layers, ctx.shapes = layers, [paint.shape for paint in paints]
        ctx.save_for_backward(*saved)
        return buffer

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradients[0].contiguous().clone()
        saved = ctx.saved_tensors
        out: list[Tensor | None] = [None] * len(saved)
        for index in range(len(ctx.layers) - 1, -1, -1):
            over, cover = saved[2 * index : 2 * index + 2]
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
