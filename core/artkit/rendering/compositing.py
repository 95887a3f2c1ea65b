"""Differentiable compositing of stroke patches, one layer of patches at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from artkit.devices import to_device


@dataclass(frozen=True)
class TileLattice:
    """Rows and columns of square patches in a buffer, in px.

    The first patch lies at (top, left); its neighbours are `pitch` px apart, at least `patch_size` so that patches do
    not overlap. cells: row and column of each patch, (m,) int64 each, if not every place of the lattice has one.
    """

    top: int
    left: int
    pitch: int
    rows: int
    columns: int
    patch_size: int
    cells: tuple[Tensor, Tensor] | None = field(default=None, compare=False)

    def read(self, buffer: Tensor) -> Tensor:
        """Return the patches in a contiguous buffer (n, c, h, w).

        A view (n, rows, columns, c, S, S) if every place has a patch, otherwise a copy (n, m, c, S, S).
        """
        view = self._view(buffer)
        return view if self.cells is None else view[:, *self._cells_on(buffer.device)]

    def write(self, buffer: Tensor, patches: Tensor) -> None:
        """Write patches that `read` returned, changed in place, into the buffer."""
        if self.cells is not None:
            self._view(buffer)[:, *self._cells_on(buffer.device)] = patches

    def _cells_on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        assert self.cells is not None
        return to_device(self.cells[0], device), to_device(self.cells[1], device)

    def _view(self, buffer: Tensor) -> Tensor:
        n, channels, height, width = buffer.shape
        return buffer.as_strided(
            (n, self.rows, self.columns, channels, self.patch_size, self.patch_size),
            (channels * height * width, self.pitch * width, self.pitch, height * width, width, 1),
            self.top * width + self.left,
        )


def composite(base: Tensor, layers: Sequence[TileLattice], patches: Sequence[Tensor]) -> Tensor:
    """Composite layers of patches over a base, in order: ``base + coverage * (colour - base)``.

    base: (n, c, h, w). patches: for each layer in turn its colour (n, m, c, S or 1, S or 1) and its coverage
    (n, m, 1, S, S), m patches. Returns (n, c, h, w); `base` is not changed.
    """
    composited: Tensor = _Composite.apply(base, list(layers), *patches)  # type: ignore[no-untyped-call]
    return composited


@torch.no_grad()
def composite_contributions(
    base: Tensor, layers: Sequence[TileLattice], patches: Sequence[Tensor], visible: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Composite layers of patches as `composite` does, and measure how much each patch changes the result.

    visible (n, 1, h, w): 1 for each px that counts, 0 for others. Returns (n, c, h, w), and for each layer (n, m): the
    sum over these px of the mean absolute change of the channels by the patch, as far as later patches do not hide it.
    """
    canvas = base.contiguous().clone()
    changes = []
    for layer, colour, coverage in zip(layers, patches[::2], patches[1::2], strict=True):
        view = layer.read(canvas)
        lattice = view.shape[:-3]
        cover = coverage.reshape(*lattice, *coverage.shape[2:])
        change = cover * (colour.reshape(*lattice, *colour.shape[2:]) - view)
        view.add_(change)
        layer.write(canvas, view)
        changes.append((layer, change.abs().mean(-3, keepdim=True), cover))
    transmittance = visible.contiguous().clone()  # of what is painted above a layer
    contributions = []
    for layer, change, cover in reversed(changes):
        view = layer.read(transmittance)
        contributions.append((view * change).sum((-3, -2, -1)).flatten(1))
        view.mul_(1 - cover)
        layer.write(transmittance, view)
    return canvas, contributions[::-1]


class _Composite(torch.autograd.Function):
    """Compositing that saves only what the gradient needs of each layer: its coverage and, if the coverage requires a
    gradient, the difference between its colour and the canvas below.
    """

    @staticmethod
    def forward(ctx: Any, base: Tensor, layers: list[TileLattice], *patches: Tensor) -> Tensor:
        canvas = base.contiguous().clone()
        coverage_needs_gradient = ctx.needs_input_grad[3::2]
        differences: list[Tensor | None] = []
        coverages = []
        for layer, colour, coverage, needed in zip(
            layers, patches[::2], patches[1::2], coverage_needs_gradient, strict=True
        ):
            view = layer.read(canvas)
            lattice = view.shape[:-3]
            difference = colour.reshape(*lattice, *colour.shape[2:]) - view
            cover = coverage.reshape(*lattice, *coverage.shape[2:])
            view.addcmul_(cover, difference)
            layer.write(canvas, view)
            if any(ctx.needs_input_grad):
                differences.append(difference if needed else None)
                coverages.append(cover)
        ctx.layers, ctx.shapes = layers, [patch.shape for patch in patches]
        ctx.save_for_backward(*differences, *coverages)
        return canvas

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient = gradients[0].contiguous().clone()  # with respect to the canvas below the layer
        count = len(ctx.layers)
        differences, coverages = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        patch_gradients: list[Tensor | None] = [None] * (2 * count)
        for index in range(count - 1, -1, -1):
            difference, cover = differences[index], coverages[index]
            view = ctx.layers[index].read(gradient)
            colour_shape, coverage_shape = ctx.shapes[2 * index : 2 * index + 2]
            if ctx.needs_input_grad[2 + 2 * index]:
                colour_gradient = view * cover
                if colour_shape[-1] == 1:
                    colour_gradient = colour_gradient.sum((-2, -1))
                patch_gradients[2 * index] = colour_gradient.reshape(colour_shape)
            if ctx.needs_input_grad[3 + 2 * index]:
                patch_gradients[2 * index + 1] = (view * difference).sum(-3).reshape(coverage_shape)
            view.mul_(1 - cover)
            ctx.layers[index].write(gradient, view)
        return (gradient if ctx.needs_input_grad[0] else None, None, *patch_gradients)
