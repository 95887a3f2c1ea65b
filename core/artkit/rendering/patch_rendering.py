"""Rendering of the patches of strokes, for whole blocks of tiles or region by region."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from artkit.devices import to_device
from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.rendering.blocks import TileBlock
from artkit.rendering.stroke_renderer import StrokePatches, StrokeRenderer

ActionLookup = Callable[[Tensor], Tensor]
"""Returns the actions (n, m, A) of the strokes with the indices (m,) int64."""


@dataclass(frozen=True)
class BlockPatches:
    """The rendered patches of a block in n pictures: colour (n, m, c, S or 1, S or 1) and coverage (n, m, 1, S, S).

    The margin of `block` is the one that is left after cropping.
    """

    block: TileBlock
    colour: Tensor
    coverage: Tensor


@dataclass(frozen=True)
class PatchRenderer:
    """Renders the patches of strokes from the actions of n pictures.

    tile_sides: sides of the tiles of all phases in px, in painting order. picture_size: width and height of the scaled
    picture in px. with_alpha: whether colours get a fourth channel of ones, for a background with an alpha channel.
    noise_indices (N,): see `StrokeLayout`.
    """

    renderer: StrokeRenderer
    lookup: ActionLookup
    tile_sides: tuple[int, ...]
    picture_size: tuple[int, int]
    scale: float
    seed: int
    with_alpha: bool
    noise_indices: Tensor | None = None

    def actions(self, indices: Tensor) -> Tensor:
        """Return the actions (n, m, A) of the strokes with the indices (m,)."""
        if self.renderer.shared and len(indices):
            return self.lookup(torch.zeros(1, dtype=torch.int64)).expand(-1, len(indices), -1)
        return self.lookup(indices)

    def render(self, blocks: Sequence[TileBlock]) -> dict[TileBlock, BlockPatches]:
        """Render the patches of blocks, with one call of the renderer for each tile size.

        The blocks of one tile size have the same margin.
        """
        groups = [[block for block in blocks if block.phase.side == side] for side in self.tile_sides]
        groups = [group for group in groups if group]
        if not groups:
            return {}
        indices = [torch.cat([block.stroke_indices() for block in group]) for group in groups]
        actions = torch.split(self.actions(torch.cat(indices)), [len(group) for group in indices], dim=1)
        patches: dict[TileBlock, BlockPatches] = {}
        for group, group_indices, group_actions in zip(groups, indices, actions, strict=True):
            patches |= self._render_group(group, group_indices, group_actions)
        return patches

    def _render_group(
        self, blocks: Sequence[TileBlock], indices: Tensor, actions: Tensor
    ) -> dict[TileBlock, BlockPatches]:
        """Render blocks of one tile size together and crop the margin that no stroke of a block needs."""
        n, flat_actions = len(actions), actions.flatten(0, 1)
        side, margin = blocks[0].phase.side, blocks[0].margin
        counts = [block.stroke_count for block in blocks]
        origins = torch.cat([block.origins() for block in blocks])
        rendered = self._add_alpha(self.renderer(flat_actions, self._place(blocks[0], origins, indices, actions)))
        colours, coverages = (torch.split(t.view(n, -1, *t.shape[1:]), counts, dim=1) for t in rendered)
        unused_margins = _unused_margins(self.renderer.max_extent(flat_actions, side), n, counts, margin)
        patches = {}
        for block, unused, colour, coverage in zip(blocks, unused_margins, colours, coverages, strict=True):
            inner = slice(unused, block.patch_size - unused)
            colour, coverage = (t[..., inner, inner] if unused and t.shape[-1] > 1 else t for t in (colour, coverage))
            patches[block] = BlockPatches(replace(block, margin=margin - unused), colour, coverage)
        return patches

    def composite_by_region(self, canvas: Tensor, block: TileBlock, left: int, top: int) -> None:
        """Composite the strokes of a block over a canvas (n, c, h, w) in place, one stroke at a time.

        Only the region of each patch that overlaps the canvas is rendered. (left, top): upper left of the canvas, px.
        """
        right, bottom = left + canvas.shape[-1], top + canvas.shape[-2]
        indices, origins = block.stroke_indices(), block.origins()
        actions = self.actions(indices)
        for index, (x, y) in enumerate((origins - block.margin).tolist()):
            x0, x1 = max(x, left), min(x + block.patch_size, right)
            y0, y1 = max(y, top), min(y + block.patch_size, bottom)
            if x0 < x1 and y0 < y1:
                stroke = slice(index, index + 1)
                place = self._place(block, origins[stroke], indices[stroke], actions)
                region = Window(x0 - x, y0 - y, x1 - x0, y1 - y0)
                colour, coverage = self._add_alpha(self.renderer.forward_region(actions[:, index], place, region))
                below = canvas[..., y0 - top : y1 - top, x0 - left : x1 - left]
                below.addcmul_(coverage, colour - below)

    def _place(self, block: TileBlock, origins: Tensor, indices: Tensor, actions: Tensor) -> Place:
        """Return the place of m strokes in each of n pictures, with the tile side and margin of a block."""
        n, device = len(actions), actions.device
        indices = indices if self.noise_indices is None else self.noise_indices[indices]
        return Place(
            origin=to_device(origins, device).repeat(n, 1),
            side=block.phase.side,
            margin=block.margin,
            stroke_index=to_device(indices, device).repeat(n),
            size=self.picture_size,
            seed=self.seed,
            scale=self.scale,
        )

    def _add_alpha(self, patches: StrokePatches) -> StrokePatches:
        if not self.with_alpha:
            return patches
        colour, coverage = patches
        return StrokePatches(torch.cat([colour, torch.ones_like(colour[:, :1])], dim=1), coverage)


def _unused_margins(max_extent: Tensor | None, n: int, counts: list[int], margin: int) -> list[int]:
    """Return how many px of the margin no stroke of a block needs, for blocks of `counts` strokes in n pictures.

    On a GPU none are cropped: the CPU would have to wait for the extents.
    """
    if max_extent is None or max_extent.device.type != "cpu":
        return [0] * len(counts)
    block_extents = torch.stack([extents.amax() for extents in torch.split(max_extent.view(n, -1), counts, dim=1)])
    return (margin - block_extents.ceil()).clamp(0, margin).long().tolist()
