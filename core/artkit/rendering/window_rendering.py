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


def render_window(
    phases: Sequence[Phase],
    size: tuple[int, int],
    margins: Mapping[int, int],
    renderer: StrokeRenderer,
    actions: Tensor | ActionLookup,
    background: Tensor | TargetImage,
    seed: int,
    window: Window | None,
    trainable: Window | None = None,
    noise_indices: Tensor | None = None,
) -> Tensor:
    """Render the pictures of actions (n, N, A), or a window of them: (n, 3, h, w), sRGB. See `Canvas.render`.

    margins: px around a tile that are rendered too, by side of the tile. background: a colour (3,), or the picture
    under the strokes. A background of four values has an alpha; then the pictures are (n, 4, h, w), premultiplied.
    noise_indices (N,): see `StrokeLayout`.
    """
    window = window or Window(0, 0, *size)
    base, blocks, patch_renderer, bounds = _prepare(
        phases, size, margins, renderer, actions, background, seed, window, noise_indices
    )
    if torch.is_grad_enabled():
        picture = _composite_blocks(base, blocks, patch_renderer, bounds, trainable)
    else:
        picture = _composite_in_batches(base, blocks, patch_renderer, bounds)
    return _cropped(picture, window, bounds)


@torch.no_grad()
def render_contributions(
    phases: Sequence[Phase],
    size: tuple[int, int],
    margins: Mapping[int, int],
    renderer: StrokeRenderer,
    actions: Tensor | ActionLookup,
    background: Tensor | TargetImage,
    seed: int,
    window: Window,
    noise_indices: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Render a window as `render_window` does, and measure what each stroke contributes to it.

    Returns the pictures (n, 3, h, w), the indices of the strokes in the window (m,), and how much each of them changes
    the window (m,): see `composite_contributions`, added up over the n pictures.
    """
    base, blocks, patch_renderer, bounds = _prepare(
        phases, size, margins, renderer, actions, background, seed, window, noise_indices
    )
    visible = torch.zeros_like(base[:, :1], memory_format=torch.contiguous_format)
    _cropped(visible, window, bounds).fill_(1.0)
    arguments = _layers_and_patches(blocks, patch_renderer.render(blocks), bounds)
    picture, contributions = composite_contributions(base, *arguments, visible)
    indices = torch.cat([torch.zeros(0, dtype=torch.int64), *(block.stroke_indices() for block in blocks)])
    own = [c if c.shape[1] == b.stroke_count else c[:, b.places()] for b, c in zip(blocks, contributions, strict=True)]
    found = torch.cat([base.new_zeros(len(base), 0), *own], dim=1)
    return _cropped(picture, window, bounds), indices, found.sum(0)


def strokes_in_window(phases: Sequence[Phase], margins: Mapping[int, int], window: Window) -> Tensor:
    """Return the indices of the strokes that `render_window` renders for a window: (m,) int64."""
    blocks = _plan_blocks(phases, margins, window)
    return torch.cat([torch.zeros(0, dtype=torch.int64), *(block.stroke_indices() for block in blocks)])


# ------------------------------------------------------------------------------------------------- planning of blocks
def _prepare(
    phases: Sequence[Phase],
    size: tuple[int, int],
    margins: Mapping[int, int],
    renderer: StrokeRenderer,
    actions: Tensor | ActionLookup,
    background: Tensor | TargetImage,
    seed: int,
    window: Window,
    noise_indices: Tensor | None,
) -> tuple[Tensor, list[TileBlock], PatchRenderer, Window]:
    """Return what the blocks of a window are composited on, (n, c, h, w), the blocks, their renderer, and the bounds of
    all that is composited.
    """
    scaled = [phase.scaled(window.scale) for phase in phases] if window.scale != 1 else list(phases)
    blocks = _plan_blocks(scaled, _scaled_margins(phases, scaled, margins, window.scale), window)
    patch_renderer = PatchRenderer(
        renderer,
        actions if callable(actions) else lambda indices: actions[:, to_device(indices, actions.device)],
        tile_sides=tuple(dict.fromkeys(phase.side for phase in scaled)),
        picture_size=(round(size[0] * window.scale), round(size[1] * window.scale)),
        scale=window.scale,
        seed=seed,
        with_alpha=isinstance(background, Tensor) and len(background) == 4,
        noise_indices=noise_indices,
    )
    bounds = _bounds(blocks, window)
    like = patch_renderer.actions(torch.zeros(0, dtype=torch.int64))  # for their dtype, device and number of pictures
    below = background.view(1, -1, 1, 1) if isinstance(background, Tensor) else background.window(bounds)
    return below.to(like).expand(len(like), -1, bounds.height, bounds.width), blocks, patch_renderer, bounds


def _cropped(image: Tensor, window: Window, bounds: Window) -> Tensor:
    """Return the part of an image (n, c, h, w) of the bounds that a window shows, as a view."""
    x, y = window.x - bounds.x, window.y - bounds.y
    return image[:, :, y : y + window.height, x : x + window.width]


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
def _composite_blocks(
    base: Tensor, blocks: Sequence[TileBlock], renderer: PatchRenderer, bounds: Window, trainable: Window | None
) -> Tensor:
    """Render all blocks at once and composite them, with gradients.

    trainable: only strokes whose tile has its centre in this window get a gradient.
    """
    if trainable:
        blocks = [part for block in blocks for part in block.split(trainable)]
    patches = renderer.render([block for block in blocks if block.trainable])
    with torch.no_grad():
        patches |= renderer.render([block for block in blocks if not block.trainable])
    return _composite_patches(base, blocks, patches, bounds)


def _composite_in_batches(base: Tensor, blocks: Sequence[TileBlock], renderer: PatchRenderer, bounds: Window) -> Tensor:
    """Render and composite blocks batch by batch, and large patches region by region, without gradients."""
    picture = base.clone(memory_format=torch.contiguous_format)
    for by_region, run in groupby(blocks, _is_rendered_by_region):
        if by_region:
            for block in run:
                renderer.composite_by_region(picture, block, bounds.x, bounds.y)
        else:
            for batch in _batches(run, _MAX_BATCH_PIXELS // len(picture)):
                # No name is bound to the patches, so that they are freed before the next batch is rendered.
                picture = _composite_patches(picture, batch, renderer.render(batch), bounds)
    return picture


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
