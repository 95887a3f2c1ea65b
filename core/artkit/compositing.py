"""How paint builds up: phases of strokes composited one over the other, the whole picture or any window of it.

All strokes of a phase are painted in one operation, so a picture takes as many operations as it has phases, however
many tiles it has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from artkit.geometry import Phase, Place, Window
from artkit.renderer import Paint, Renderer

Strokes = Callable[[Tensor], Tensor]
"""Gives the actions (n, m, A) of the strokes with the numbers (m,) int64."""

_Drawn = dict["_Block", tuple["_Block", *tuple[Tensor, ...]]]

_AT_ONCE = 1 << 24
"""Pixels of sheets that are painted at a time where no gradient is wanted."""

_LARGE = 2048
"""Side in px of sheets beyond which, where no gradient is wanted, only what a window shows of them is painted."""


def render(
    phases: Sequence[Phase],
    size: tuple[int, int],
    margin_of: Callable[[Renderer, int], int],
    renderer: Renderer,
    actions: Tensor | Strokes,
    background: Tensor,
    seed: int,
    window: Window | None,
    learnt: Window | None = None,
) -> Tensor:
    """The pictures of actions (n, N, A), or a window of them: (n, 3, h, w), sRGB. See `Canvas.render`.

    margin_of: px around a tile of a renderer, given its side, that are painted too. A background of four numbers has an
    alpha: then the pictures are (n, 4, h, w), their colours times alpha, and alpha.
    """
    given = actions
    ask = given if callable(given) else lambda numbers: given[:, numbers.to(given.device)]

    def strokes(numbers: Tensor) -> Tensor:
        if renderer.shared and len(numbers):
            return ask(torch.zeros(1, dtype=torch.int64)).expand(-1, len(numbers), -1)
        return ask(numbers)

    window = window or Window(0, 0, *size)
    scaled = [phase.enlarged(window.scale) for phase in phases] if window.scale != 1 else list(phases)
    # Margins grow with the picture rather than being asked for anew: phases must not overlap at any scale.
    margins = {
        large.side: math.floor(margin_of(renderer, phase.side) * window.scale + 1e-6)
        for phase, large in zip(phases, scaled, strict=True)
    }
    blocks = [block for phase in scaled if (block := _touching(phase, margins[phase.side], window))]
    # No margin is painted wider than the window shows of it: of tiles as large as the picture, none.
    margins = {
        side: min(margin, max((b.shows(window) for b in blocks if b.phase.side == side), default=0))
        for side, margin in margins.items()
    }
    blocks = [replace(block, margin=margins[block.phase.side]) for block in blocks]
    left, top, right, bottom = window.x, window.y, window.x + window.width, window.y + window.height

    def in_parts(block: _Block) -> bool:
        return block.sheet > _LARGE and not torch.is_grad_enabled()

    for block in blocks:
        if not in_parts(block):
            left, top = min(left, block.x), min(top, block.y)
            right, bottom = max(right, block.right), max(bottom, block.bottom)
    picture_size = (round(size[0] * window.scale), round(size[1] * window.scale))

    def placed(side: int, origins: Tensor, number: Tensor, chosen: Tensor) -> Place:
        n, device = len(chosen), chosen.device
        origin, number = origins.to(device).repeat(n, 1), number.to(device).repeat(n)
        return Place(origin, side, margins[side], number, picture_size, seed, window.scale)

    def opaque(paint: Paint) -> Paint:
        """Colours with an alpha where the background has one."""
        if len(background) < 4:
            return paint
        return Paint(torch.cat([paint.colour, torch.ones_like(paint.colour[:, :1])], dim=1), paint.coverage)

    def draw(some: Sequence[_Block]) -> _Drawn:
        """The blocks with no more margin than their strokes need, and colour and coverage of each; strokes of tiles of
        one size are drawn in one call of the renderer.
        """
        drawn: _Drawn = {}
        of_side = {side: mine for side in margins if (mine := [b for b in some if b.phase.side == side])}
        if not of_side:
            return drawn
        numbers = [torch.cat([block.numbers() for block in mine]) for mine in of_side.values()]
        proposed = torch.split(strokes(torch.cat(numbers)), [len(some) for some in numbers], 1)
        for (side, mine), number, chosen in zip(of_side.items(), numbers, proposed, strict=True):
            n = len(chosen)
            place = placed(side, torch.cat([block.origins() for block in mine]), number, chosen)
            colour, coverage = opaque(renderer(chosen.flatten(0, 1), place))
            counts = [block.rows * block.columns for block in mine]
            colours, coverages = (torch.split(t.view(n, -1, *t.shape[1:]), counts, 1) for t in (colour, coverage))
            spare = _spare(renderer.reach(chosen.flatten(0, 1), side), n, counts, margins[side])
            for block, rim, *paint in zip(mine, spare, colours, coverages, strict=True):
                inner = slice(rim, block.sheet - rim)
                cut = [t[..., inner, inner] if rim and t.shape[-1] > 1 else t for t in paint]
                drawn[block] = (replace(block, margin=block.margin - rim), *cut)
        return drawn

    def laid(ground: Tensor, some: Sequence[_Block], drawn: _Drawn) -> Tensor:
        layers = [drawn[block][0].layer(left, top) for block in some]
        return composite(ground, layers, [tensor for block in some for tensor in drawn[block][1:]])

    def lay_in_parts(ground: Tensor, block: _Block) -> None:
        """Paint the strokes of a block on the ground, in place; of each only what lies on it is drawn."""
        numbers, origins = block.numbers(), block.origins()
        chosen, side = strokes(numbers), block.phase.side
        for index, (x, y) in enumerate((origins - block.margin).tolist()):
            x0, y0, x1, y1 = max(x, left), max(y, top), min(x + block.sheet, right), min(y + block.sheet, bottom)
            if x0 < x1 and y0 < y1:
                one, some = slice(index, index + 1), chosen[:, index]
                place = placed(side, origins[one], numbers[one], some)
                colour, coverage = opaque(renderer.part(some, place, Window(x0 - x, y0 - y, x1 - x0, y1 - y0)))
                there = ground[..., y0 - top : y1 - top, x0 - left : x1 - left]
                there.addcmul_(coverage, colour - there)

    like = strokes(torch.zeros(0, dtype=torch.int64))
    painted = background.to(like).view(1, -1, 1, 1).expand(len(like), -1, bottom - top, right - left)
    if torch.is_grad_enabled():
        if learnt:
            blocks = [part for block in blocks for part in block.split(learnt)]
        drawn = draw([block for block in blocks if block.learnt])
        with torch.no_grad():
            drawn |= draw([block for block in blocks if not block.learnt])
        painted = laid(painted, blocks, drawn)
    else:
        painted = painted.clone(memory_format=torch.contiguous_format)
        for large, run in groupby(blocks, in_parts):
            if large:
                for block in run:
                    lay_in_parts(painted, block)
            else:
                for group in _grouped(run, _AT_ONCE // len(like)):
                    painted = laid(painted, group, draw(group))
    x, y = window.x - left, window.y - top
    return painted[:, :, y : y + window.height, x : x + window.width]


def _spare(reach: Tensor | None, n: int, counts: list[int], margin: int) -> list[int]:
    """Of blocks of so many strokes each, how many px of the margin none of their strokes needs."""
    if reach is None:
        return [0] * len(counts)
    farthest = torch.stack([some.amax() for some in torch.split(reach.view(n, -1), counts, 1)])
    return (margin - farthest.ceil()).clamp(0, margin).long().tolist()


def _grouped(blocks: Iterable[_Block], most: int) -> Iterator[list[_Block]]:
    """Blocks in their order, as many together as their sheets have at most `most` px."""
    group: list[_Block] = []
    total = 0
    for block in blocks:
        pixels = block.rows * block.columns * block.sheet**2
        if group and total + pixels > most:
            yield group
            group, total = [], 0
        group.append(block)
        total += pixels
    if group:
        yield group


@dataclass(frozen=True)
class _Block:
    """The part of a phase that touches a window: rows and columns from `row` and `column` on.

    margin: around its tiles, px. learnt: whether a gradient of its strokes is wanted.
    """

    phase: Phase
    margin: int
    row: int
    column: int
    rows: int
    columns: int
    learnt: bool = True

    @property
    def sheet(self) -> int:
        return self.phase.side + 2 * self.margin

    @property
    def x(self) -> int:
        return self.phase.x + self.column * self.phase.pitch - self.margin

    @property
    def y(self) -> int:
        return self.phase.y + self.row * self.phase.pitch - self.margin

    @property
    def right(self) -> int:
        return self.x + (self.columns - 1) * self.phase.pitch + self.sheet

    @property
    def bottom(self) -> int:
        return self.y + (self.rows - 1) * self.phase.pitch + self.sheet

    def numbers(self) -> Tensor:
        """Which strokes of the painting these are: (rows * columns,) int64."""
        row = torch.arange(self.row, self.row + self.rows)[:, None] * self.phase.columns
        return (self.phase.first + row + torch.arange(self.column, self.column + self.columns)).reshape(-1)

    def origins(self) -> Tensor:
        return self.phase.origins_of(self.numbers() - self.phase.first)

    def shows(self, window: Window) -> int:
        """How far beyond its tiles a window shows what they leave: of the tile that has most around it, px."""
        sides = (
            self.x + (self.columns - 1) * self.phase.pitch + self.margin - window.x,
            self.y + (self.rows - 1) * self.phase.pitch + self.margin - window.y,
            window.x + window.width - (self.x + self.margin + self.phase.side),
            window.y + window.height - (self.y + self.margin + self.phase.side),
        )
        return max(0, *sides)

    def layer(self, left: int, top: int) -> _Layer:
        """The block in a buffer whose upper left lies at (left, top)."""
        return _Layer(self.y - top, self.x - left, self.phase.pitch, self.rows, self.columns, self.sheet)

    def split(self, learnt: Window) -> Iterator[_Block]:
        """The tiles whose centre lies in a window, and those above, below and beside them."""
        half = self.phase.side / 2
        spans = []
        for start, length, first, begin, count in (
            (learnt.y, learnt.height, self.phase.y + half, self.row, self.rows),
            (learnt.x, learnt.width, self.phase.x + half, self.column, self.columns),
        ):
            low = min(max(math.ceil((start - first) / self.phase.pitch), begin), begin + count)
            high = min(max(math.ceil((start + length - first) / self.phase.pitch), low), begin + count)
            spans.append((begin, low, high, begin + count))
        (y0, y1, y2, y3), (x0, x1, x2, x3) = spans
        for rows, columns, inside in (
            ((y0, y1), (x0, x3), False),
            ((y1, y2), (x0, x1), False),
            ((y1, y2), (x1, x2), True),
            ((y1, y2), (x2, x3), False),
            ((y2, y3), (x0, x3), False),
        ):
            if rows[1] > rows[0] and columns[1] > columns[0]:
                yield replace(
                    self,
                    row=rows[0],
                    column=columns[0],
                    rows=rows[1] - rows[0],
                    columns=columns[1] - columns[0],
                    learnt=inside,
                )


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
    return _Block(phase, margin, row, column, rows, columns)


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
        """The layer's pixels in a contiguous buffer (n, c, h, w), as a view (n, rows, columns, c, sheet, sheet)."""
        n, channels, height, width = buffer.shape
        return buffer.as_strided(
            (n, self.rows, self.columns, channels, self.sheet, self.sheet),
            (channels * height * width, self.pitch * width, self.pitch, height * width, width, 1),
            self.top * width + self.left,
        )


def composite(ground: Tensor, layers: Sequence[_Layer], paints: Sequence[Tensor]) -> Tensor:
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
    def forward(ctx: Any, ground: Tensor, layers: list[_Layer], *paints: Tensor) -> Tensor:
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
