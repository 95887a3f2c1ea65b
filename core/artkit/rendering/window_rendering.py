"""How paint builds up: phases of strokes composited one over the other, the whole picture or any window of it.

All strokes of a phase are painted in one operation, so a picture takes as many operations as it has phases, however
many tiles it has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import torch
from torch import Tensor

from artkit.geometry.phase import Phase
from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.rendering.blocks import TileBlock, block_in_window
from artkit.rendering.compositing import composite
from artkit.rendering.stroke_renderer import StrokePatches, StrokeRenderer

ActionLookup = Callable[[Tensor], Tensor]
"""Gives the actions (n, m, A) of the strokes with the numbers (m,) int64."""


_Drawn = dict["TileBlock", tuple["TileBlock", *tuple[Tensor, ...]]]


_MAX_BATCH_PIXELS = 1 << 24
"""Pixels of sheets that are painted at a time where no gradient is wanted."""


_MAX_PATCH_SIDE = 2048
"""Side in px of sheets beyond which, where no gradient is wanted, only what a window shows of them is painted."""


def render_window(
    phases: Sequence[Phase],
    size: tuple[int, int],
    margins: Mapping[int, int],
    renderer: StrokeRenderer,
    actions: Tensor | ActionLookup,
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
    scaled = [phase.scaled(window.scale) for phase in phases] if window.scale != 1 else list(phases)
    # Margins grow with the picture rather than being asked for anew: phases must not overlap at any scale.
    margins = {
        large.side: math.floor(margins[phase.side] * window.scale + 1e-6)
        for phase, large in zip(phases, scaled, strict=True)
    }
    blocks = [block for phase in scaled if (block := block_in_window(phase, margins[phase.side], window))]
    # No margin is painted wider than the window shows of it: of tiles as large as the picture, none.
    margins = {
        side: min(margin, max((b.shows(window) for b in blocks if b.phase.side == side), default=0))
        for side, margin in margins.items()
    }
    blocks = [replace(block, margin=margins[block.phase.side]) for block in blocks]
    left, top, right, bottom = window.x, window.y, window.x + window.width, window.y + window.height

    def in_parts(block: TileBlock) -> bool:
        return block.sheet > _MAX_PATCH_SIDE and not torch.is_grad_enabled()

    for block in blocks:
        if not in_parts(block):
            left, top = min(left, block.x), min(top, block.y)
            right, bottom = max(right, block.right), max(bottom, block.bottom)
    picture_size = (round(size[0] * window.scale), round(size[1] * window.scale))

    def placed(side: int, origins: Tensor, number: Tensor, chosen: Tensor) -> Place:
        n, device = len(chosen), chosen.device
        origin, number = origins.to(device).repeat(n, 1), number.to(device).repeat(n)
        return Place(origin, side, margins[side], number, picture_size, seed, window.scale)

    def opaque(paint: StrokePatches) -> StrokePatches:
        """Colours with an alpha where the background has one."""
        if len(background) < 4:
            return paint
        return StrokePatches(torch.cat([paint.colour, torch.ones_like(paint.colour[:, :1])], dim=1), paint.coverage)

    def draw(some: Sequence[TileBlock]) -> _Drawn:
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
            spare = _unused_margins(renderer.max_extent(chosen.flatten(0, 1), side), n, counts, margins[side])
            for block, rim, *paint in zip(mine, spare, colours, coverages, strict=True):
                inner = slice(rim, block.sheet - rim)
                cut = [t[..., inner, inner] if rim and t.shape[-1] > 1 else t for t in paint]
                drawn[block] = (replace(block, margin=block.margin - rim), *cut)
        return drawn

    def laid(ground: Tensor, some: Sequence[TileBlock], drawn: _Drawn) -> Tensor:
        layers = [drawn[block][0].layer(left, top) for block in some]
        return composite(ground, layers, [tensor for block in some for tensor in drawn[block][1:]])

    def lay_in_parts(ground: Tensor, block: TileBlock) -> None:
        """Paint the strokes of a block on the ground, in place; of each only what lies on it is drawn."""
        numbers, origins = block.numbers(), block.origins()
        chosen, side = strokes(numbers), block.phase.side
        for index, (x, y) in enumerate((origins - block.margin).tolist()):
            x0, y0, x1, y1 = max(x, left), max(y, top), min(x + block.sheet, right), min(y + block.sheet, bottom)
            if x0 < x1 and y0 < y1:
                one, some = slice(index, index + 1), chosen[:, index]
                place = placed(side, origins[one], numbers[one], some)
                colour, coverage = opaque(
                    renderer.forward_region(some, place, Window(x0 - x, y0 - y, x1 - x0, y1 - y0))
                )
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
                for group in _batches(run, _MAX_BATCH_PIXELS // len(like)):
                    painted = laid(painted, group, draw(group))
    x, y = window.x - left, window.y - top
    return painted[:, :, y : y + window.height, x : x + window.width]


def _unused_margins(reach: Tensor | None, n: int, counts: list[int], margin: int) -> list[int]:
    """Of blocks of so many strokes each, how many px of the margin none of their strokes needs."""
    if reach is None:
        return [0] * len(counts)
    farthest = torch.stack([some.amax() for some in torch.split(reach.view(n, -1), counts, 1)])
    return (margin - farthest.ceil()).clamp(0, margin).long().tolist()


def _batches(blocks: Iterable[TileBlock], most: int) -> Iterator[list[TileBlock]]:
    """Blocks in their order, as many together as their sheets have at most `most` px."""
    group: list[TileBlock] = []
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
