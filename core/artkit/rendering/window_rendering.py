"""Rendering of a window of a picture: phases of strokes are composited one over the other.

All strokes of a phase are composited in one operation, so the number of operations is that of the phases, however many
tiles the picture has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import torch
from torch import Tensor

from artkit.devices import to_device
from artkit.geometry.phase import Phase
from artkit.geometry.window import Window
from artkit.imaging.target_image import TargetImage
from artkit.rendering.blocks import TileBlock, block_in_window
from artkit.rendering.compositing import TileLattice, composite, composite_contributions
from artkit.rendering.patch_rendering import ActionLookup, BlockPatches, PatchRenderer
from artkit.rendering.stroke_renderer import StrokeRenderer

_MAX_BATCH_PIXELS = 1 << 24
"""Pixels of patches that are rendered at a time without gradients."""

_MIN_FILLED_RATIO = 0.5
"""Share of the places of a lattice with a patch from which empty patches are added at the others."""

_MAX_PATCH_SIDE = 2048
"""Side in px above which patches are rendered region by region without gradients."""


class WindowRendering:
    """The rendering of a window of the pictures of actions (n, N, A).

    margins: px around a tile that are rendered too, by side of the tile. background: a colour (3,), or the picture
    under the strokes. A background of four values has an alpha; then pictures have four channels, premultiplied.
    noise_indices (N,): see `StrokeLayout`.
    """

    def __init__(
        self,
        phases: Sequence[Phase],
        size: tuple[int, int],
        margins: Mapping[int, int],
        renderer: StrokeRenderer,
        actions: Tensor | ActionLookup,
        background: Tensor | TargetImage,
        seed: int,
        window: Window,
        noise_indices: Tensor | None = None,
    ) -> None:
        scaled = [phase.scaled(window.scale) for phase in phases] if window.scale != 1 else list(phases)
        self._window = window
        self._blocks = _plan_blocks(scaled, _scaled_margins(phases, scaled, margins, window.scale), window)
        self._bounds = _bounds(self._blocks, window)
        self._renderer = PatchRenderer(
            renderer,
            actions if callable(actions) else lambda indices: actions[:, to_device(indices, actions.device)],
            tile_sides=tuple(dict.fromkeys(phase.side for phase in scaled)),
            picture_size=(round(size[0] * window.scale), round(size[1] * window.scale)),
            scale=window.scale,
            seed=seed,
            with_alpha=isinstance(background, Tensor) and len(background) == 4,
            noise_indices=noise_indices,
        )
        # An empty lookup tells dtype, device and the number of pictures.
        like = self._renderer.actions(torch.zeros(0, dtype=torch.int64))
        below = background.view(1, -1, 1, 1) if isinstance(background, Tensor) else background.window(self._bounds)
        self._base = below.to(like).expand(len(like), -1, self._bounds.height, self._bounds.width)

    def render(self, trainable: Window | None = None) -> Tensor:
        """Return the pictures (n, 3, h, w), sRGB. trainable: see `Canvas.render`."""
        return self._cropped(self._composite(trainable) if torch.is_grad_enabled() else self._composite_in_batches())

    @torch.no_grad()
    def render_contributions(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the pictures (n, 3, h, w), the indices of the strokes in the window (m,), and how much each of them
        changes the window (m,): see `composite_contributions`, added up over the n pictures.
        """
        base, blocks = self._base, self._blocks
        visible = torch.zeros_like(base[:, :1], memory_format=torch.contiguous_format)
        self._cropped(visible).fill_(1.0)
        arguments = _layers_and_patches(blocks, self._renderer.render(blocks), self._bounds)
        picture, contributions = composite_contributions(base, *arguments, visible)
        own = [
            changes if changes.shape[1] == block.stroke_count else changes[:, block.places()]
            for block, changes in zip(blocks, contributions, strict=True)
        ]
        found = torch.cat([base.new_zeros(len(base), 0), *own], dim=1)
        return self._cropped(picture), _stroke_indices(blocks), found.sum(0)

    def _composite(self, trainable: Window | None) -> Tensor:
        """Render all blocks at once and composite them, with gradients for the strokes that are trainable."""
        blocks = [part for block in self._blocks for part in block.split(trainable)] if trainable else self._blocks
        patches = self._renderer.render([block for block in blocks if block.trainable])
        with torch.no_grad():
            patches |= self._renderer.render([block for block in blocks if not block.trainable])
        return _composite_patches(self._base, blocks, patches, self._bounds)

    def _composite_in_batches(self) -> Tensor:
        """Render and composite blocks batch by batch, and large patches region by region, without gradients."""
        renderer, bounds = self._renderer, self._bounds
        picture = self._base.clone(memory_format=torch.contiguous_format)
        for by_region, run in groupby(self._blocks, _is_rendered_by_region):
            if by_region:
                for block in run:
                    renderer.composite_by_region(picture, block, bounds.x, bounds.y)
            else:
                for batch in _batches(run, _MAX_BATCH_PIXELS // len(picture)):
                    # No name is bound to the patches, so that they are freed before the next batch is rendered.
                    picture = _composite_patches(picture, batch, renderer.render(batch), bounds)
        return picture

    def _cropped(self, image: Tensor) -> Tensor:
        """Return the part of an image (n, c, h, w) of the bounds that the window shows, as a view."""
        x, y = self._window.x - self._bounds.x, self._window.y - self._bounds.y
        return image[:, :, y : y + self._window.height, x : x + self._window.width]


def strokes_in_window(phases: Sequence[Phase], margins: Mapping[int, int], window: Window) -> Tensor:
    """Return the indices of the strokes whose patches overlap a window, without its scale: (m,) int64."""
    return _stroke_indices(_plan_blocks(phases, margins, window))


# ------------------------------------------------------------------------------------------------- planning of blocks
def _stroke_indices(blocks: Sequence[TileBlock]) -> Tensor:
    return torch.cat([torch.zeros(0, dtype=torch.int64), *(block.stroke_indices() for block in blocks)])


def _scaled_margins(
    phases: Sequence[Phase], scaled: Sequence[Phase], margins: Mapping[int, int], scale: float
) -> dict[int, int]:
    """Return the margins by scaled tile side.

    Margins are scaled, not requested from the renderer again: patches of a phase must not overlap at any scale.
    """
    return {
        large.side: math.floor(margins[phase.side] * scale + 1e-6) for phase, large in zip(phases, scaled, strict=True)
    }


def _plan_blocks(phases: Sequence[Phase], margins: Mapping[int, int], window: Window) -> list[TileBlock]:
    """Return the blocks that overlap a window, with no wider margin than the window shows.

    Tiles as large as the picture have no margin.
    """
    blocks = [block for phase in phases if (block := block_in_window(phase, margins[phase.side], window))]
    visible: dict[int, int] = {}
    for block in blocks:
        visible[block.phase.side] = max(visible.get(block.phase.side, 0), block.visible_margin(window))
    return [replace(block, margin=min(block.margin, visible[block.phase.side])) for block in blocks]


def _bounds(blocks: Sequence[TileBlock], window: Window) -> Window:
    """Return the rectangle that holds a window and all patches that are composited whole."""
    left, top, right, bottom = window.x, window.y, window.x + window.width, window.y + window.height
    for block in blocks:
        if not _is_rendered_by_region(block):
            left, top = min(left, block.x), min(top, block.y)
            right, bottom = max(right, block.right), max(bottom, block.bottom)
    return Window(left, top, right - left, bottom - top, window.scale)


def _is_rendered_by_region(block: TileBlock) -> bool:
    return block.patch_size > _MAX_PATCH_SIDE and not torch.is_grad_enabled()


# ------------------------------------------------------------------------------------------------------- compositing
def _composite_patches(
    base: Tensor, blocks: Sequence[TileBlock], patches: Mapping[TileBlock, BlockPatches], bounds: Window
) -> Tensor:
    """Composite the patches of blocks in the order of the blocks."""
    return composite(base, *_layers_and_patches(blocks, patches, bounds))


def _layers_and_patches(
    blocks: Sequence[TileBlock], patches: Mapping[TileBlock, BlockPatches], bounds: Window
) -> tuple[list[TileLattice], list[Tensor]]:
    """Return the blocks as `composite` takes them: the lattice of each, and its colour and coverage in turn."""
    layers: list[TileLattice] = []
    tensors: list[Tensor] = []
    for block in blocks:
        layer, colour, coverage = _filled(patches[block].block.lattice(bounds.x, bounds.y), patches[block])
        layers.append(layer)
        tensors += (colour, coverage)
    return layers, tensors


def _filled(lattice: TileLattice, patches: BlockPatches) -> tuple[TileLattice, Tensor, Tensor]:
    """Return a lattice, and the colour and coverage of its patches; without cells if most of its places have one.

    Empty patches are added then: they take less time than reading and writing the picture cell by cell.
    """
    colour, coverage, places = patches.colour, patches.coverage, lattice.rows * lattice.columns
    if lattice.cells is None or coverage.shape[1] < _MIN_FILLED_RATIO * places:
        return lattice, colour, coverage
    index = to_device(lattice.cells[0] * lattice.columns + lattice.cells[1], coverage.device)
    colour, coverage = (t.new_zeros(len(t), places, *t.shape[2:]).index_copy(1, index, t) for t in (colour, coverage))
    return replace(lattice, cells=None), colour, coverage


def _batches(blocks: Iterable[TileBlock], max_pixels: int) -> Iterator[list[TileBlock]]:
    """Yield successive blocks whose patches have at most `max_pixels` together, or single larger blocks."""
    batch: list[TileBlock] = []
    total = 0
    for block in blocks:
        pixels = block.stroke_count * block.patch_size**2
        if batch and total + pixels > max_pixels:
            yield batch
            batch, total = [], 0
        batch.append(block)
        total += pixels
    if batch:
        yield batch
