"""Differentiable rasterisation of dabs, the round or elliptic spots of paint of which MyPaint composes a stroke.

A dab is opaque in its middle and fades towards its edge. A dab of opacity a transmits 1 - a p of the light where its
profile is p. The transmittance of a stroke is the product over its dabs, computed as a sum of logarithms, so that the
order of the dabs does not matter. Dabs with a small radius are softened as in MyPaint. The coverage differs from that
of MyPaint for the same dabs only by rounding (at most 0.001).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

UPRIGHT = -math.pi / 2
"""The angle of dabs that are round."""

MAX_SOFTENED_RADIUS_PX = 3.0
"""MyPaint softens the edge of dabs with a smaller radius."""

PIXEL_RADIUS = math.pi**-0.5
"""Radius in px of a disk with the area of a pixel."""

MAX_OPACITY = 0.9999
"""To which the opacity of a dab is limited, so that the logarithm of its transmittance is finite."""

_MIN_GRADIENT = 1e-20  # smaller gradients are set to 0: CPUs are slow with denormal numbers
_MAX_BATCH_PIXELS = 1 << 18  # pixels of dabs that are computed at a time
_FIXED_POINT_ONE = 1 << 24  # logarithms are summed as integers, so that the sum is the same in any order, on any device


class Dabs(NamedTuple):
    """k dabs of several strokes; all tensors are (k,).

    x, y: centre, px. radius: px. opacity, hardness: in [0, 1]; dabs of hardness <= 0 are not drawn. aspect: length
    divided by width, >= 1. angle: radians. stroke: index of the stroke, int64.
    """

    x: Tensor
    y: Tensor
    radius: Tensor
    opacity: Tensor
    hardness: Tensor
    aspect: Tensor
    angle: Tensor
    stroke: Tensor

    def subset(self, indices: Tensor) -> Dabs:
        """Select dabs by their indices or by a mask."""
        return Dabs(*(values[indices] for values in self))


def rasterize_dabs(dabs: Dabs, strokes: int, size: tuple[int, int]) -> Tensor:
    """Compute the coverage of strokes from their dabs, differentiable in all but `dabs.stroke`.

    strokes: number of strokes m. size: width and height in px -> coverage (m, 1, height, width) in [0, 1].
    """
    width, height = size
    coverage: Tensor = 1 - log_transmittance(dabs, strokes, size).exp()
    return coverage.view(strokes, 1, height, width)


def log_transmittance(dabs: Dabs, strokes: int, size: tuple[int, int]) -> Tensor:
    """Compute the logarithm of the transmittance of strokes at all pixels, flat: see `rasterize_dabs`."""
    width, height = size
    visible = (dabs.hardness > 0) & (dabs.opacity > 0)
    extent = dabs.radius.detach() + 1
    visible &= (dabs.x + extent > 0) & (dabs.x - extent < width) & (dabs.y + extent > 0) & (dabs.y - extent < height)
    *shapes, stroke = dabs.subset(visible)
    logs: Tensor = _LogTransmittance.apply(stroke, strokes, size, *shapes)  # type: ignore[no-untyped-call]
    return logs


class _LogTransmittance(torch.autograd.Function):
    """Logarithm of the transmittance of all dabs. Forward and backward work on batches of dabs to limit memory."""

    @staticmethod
    def forward(ctx: Any, stroke: Tensor, strokes: int, size: tuple[int, int], *shapes: Tensor) -> Tensor:
        ctx.save_for_backward(stroke, *shapes)
        ctx.size = size
        total = strokes * size[0] * size[1]
        # The last element collects the pixels outside the image.
        sums = torch.zeros(total + 1, dtype=torch.int64, device=stroke.device)
        for batch, extent in _batches(shapes[2]):
            logs, pixels = _dab_logs(tuple(values[batch] for values in shapes), stroke[batch], extent, size, total)
            sums.index_add_(0, pixels.flatten(), (logs * _FIXED_POINT_ONE).round_().long().flatten())
        return sums[:total].to(shapes[0]) / _FIXED_POINT_ONE

    @staticmethod
    def backward(ctx: Any, *output_gradients: Tensor) -> tuple[Tensor | None, ...]:
        stroke, *shapes = ctx.saved_tensors
        (gradient,) = output_gradients
        total = gradient.numel()
        gradient = gradient.masked_fill(gradient.abs() < _MIN_GRADIENT, 0.0)
        padded = torch.cat([gradient.flatten(), gradient.new_zeros(1)])
        gradients = [torch.zeros_like(values) for values in shapes]
        for batch, extent in _batches(shapes[2]):
            with torch.enable_grad():
                inputs = tuple(values[batch].requires_grad_() for values in shapes)
                logs, pixels = _dab_logs(inputs, stroke[batch], extent, ctx.size, total)
                batch_gradients = torch.autograd.grad(logs, inputs, padded[pixels], allow_unused=True)
            for target, values in zip(gradients, batch_gradients, strict=True):
                if values is not None:
                    target[batch] = values
        return (None, None, None, *gradients)


def _batches(radius: Tensor) -> Iterator[tuple[Tensor, int]]:
    """Yield batches of dabs of similar radius: their indices, and their extent in px from the pixel of the centre.

    All dabs of a batch are softened, or none is.
    """
    extents = radius.detach().ceil().long()
    for extent in torch.unique(extents).tolist():
        indices = (extents == extent).nonzero()[:, 0]
        for chunk in torch.split(indices, max(_MAX_BATCH_PIXELS // (2 * extent + 1) ** 2, 1)):
            for mask in (radius[chunk] < MAX_SOFTENED_RADIUS_PX, radius[chunk] >= MAX_SOFTENED_RADIUS_PX):
                if len(batch := chunk[mask]):
                    yield batch, extent


def _dab_logs(
    shapes: tuple[Tensor, ...], stroke: Tensor, extent: int, size: tuple[int, int], total: int
) -> tuple[Tensor, Tensor]:
    """Compute the logarithm of the transmittance of each dab at the pixels around it.

    Returns the logarithms and the flat indices of the pixels in (strokes, height, width), both
    (k, 2 extent + 1, 2 extent + 1). The index of pixels outside the image is `total`.
    """
    x, y, radius, opacity, hardness, aspect, angle = (values[:, None, None] for values in shapes)
    offsets = torch.arange(-extent, extent + 1, device=x.device)
    column, row = x.detach().floor().long() + offsets, y.detach().floor().long() + offsets[:, None]
    dx, dy = column + 0.5 - x, row + 0.5 - y
    r2 = _squared_distances(dx, dy, radius, aspect, angle)
    core = 1 - r2 * (1 / hardness - 1)
    edge = (1 - r2) * (hardness / (1 - hardness).clamp(min=1e-6))
    profile = torch.where(r2 < hardness, core, edge).clamp(min=0)
    logs = torch.log1p(-(opacity * profile).clamp(max=MAX_OPACITY))
    width, height = size
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    pixels = torch.where(inside, (stroke[:, None, None] * height + row) * width + column, total)
    return logs, pixels


def _squared_distances(dx: Tensor, dy: Tensor, radius: Tensor, aspect: Tensor, angle: Tensor) -> Tensor:
    """Compute the squared distances r2 of pixels from the centre of their dab, in square radii: 1 at the edge.

    dx, dy (k, n, n): from the centre of the dab to that of the pixel, px. The others are (k, 1, 1).
    """
    softened = bool(radius[0, 0, 0] < MAX_SOFTENED_RADIUS_PX)
    if bool(((aspect == 1) & (angle == UPRIGHT)).all()):
        return _softened_circle_r2(dx, dy, radius) if softened else (dx * dx + dy * dy) / (radius * radius)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return (_softened_ellipse_r2 if softened else _ellipse_r2)(dx, dy, radius, aspect, cos, sin)


def _ellipse_r2(dx: Tensor, dy: Tensor, radius: Tensor, aspect: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    along, across = dx * cos + dy * sin, (dy * cos - dx * sin) * aspect
    return (along * along + across * across) / (radius * radius)


def _softened_ellipse_r2(dx: Tensor, dy: Tensor, radius: Tensor, aspect: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    central = (dx.abs() < 0.5) & (dy.abs() < 0.5)
    along = dx * cos + dy * sin
    near_x = torch.minimum(torch.maximum(along * cos, dx - 0.5), dx + 0.5).masked_fill(central, 0.0)
    near_y = torch.minimum(torch.maximum(along * sin, dy - 0.5), dy + 0.5).masked_fill(central, 0.0)
    # As in MyPaint, a point beside the centre decides on which side of the long axis a pixel lies.
    outwards = torch.where((dx + cos) * sin - cos * (dy - sin) > 0, PIXEL_RADIUS, -PIXEL_RADIUS)
    far_x, far_y = near_x + outwards * sin, near_y - outwards * cos
    near, far = (_ellipse_r2(px, py, radius, aspect, cos, sin) for px, py in ((near_x, near_y), (far_x, far_y)))
    return _soften(near, far, radius, aspect)


def _softened_circle_r2(dx: Tensor, dy: Tensor, radius: Tensor) -> Tensor:
    """`_softened_ellipse_r2` of upright circles, with fewer operations per pixel."""
    inverse_square = 1 / (radius * radius)
    gap = (dx.abs() - 0.5).clamp(min=0)
    near_x, far_x = gap * gap * inverse_square, (gap + PIXEL_RADIUS).square() * inverse_square
    y_term = (dy * dy * inverse_square).masked_fill((dx.abs() < 0.5) & (dy.abs() < 0.5), 0.0)
    return _soften(near_x + y_term, far_x + y_term, radius, 1.0)


def _soften(near: Tensor, far: Tensor, radius: Tensor, aspect: Tensor | float) -> Tensor:
    """Combine the r2 of a pixel's point nearest to the axis with that of a point one pixel radius further out, as
    MyPaint does.
    """
    core = (radius - 1).clamp(min=0)
    in_core = far * (radius * radius) < core * core / aspect
    return torch.where(near > 1, near, torch.where(in_core, (far + near) / 2, far / (1 + far - near)))
