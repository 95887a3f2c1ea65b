"""Dabs, the spots of paint of which MyPaint makes every stroke, laid on sheets as it lays them; with a gradient.

A dab is opaque in its middle and fades towards its edge. One of opacity a lets 1 - a o of the light through where its
profile is o, and dabs on one another multiply, so sheets are sums of logarithms in whatever order. Small dabs are
softened along one axis as MyPaint softens them: what is laid here differs from what MyPaint makes of the same dabs by
rounding (.001 at most).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

UPRIGHT = -math.pi / 2
"""The angle of dabs that have none."""

_SOFTENED = 3.0  # px of radius below which MyPaint softens a dab's edge
_FAR = math.pi**-0.5  # px: the radius of a disk as large as a pixel, how far a pixel is taken to reach
_OPAQUE = 0.9999  # more is not told from 1, and has a logarithm
_LEAST = 1e-20  # a slope that counts
_PIXELS = 1 << 18  # pixels of dabs that are laid at a time
_ONE = 1 << 24  # of the sums of logarithms, which are whole numbers: so their order, on any device, makes no difference


class Dabs(NamedTuple):
    """Dabs of some strokes, all (k,): x and y of their middle and radius, px; opacity and hardness in [0, 1] (of no
    hardness there is no dab); aspect, how many times narrower than long; angle, in radians; stroke, the number of the
    sheet each lies on, int64.
    """

    x: Tensor
    y: Tensor
    radius: Tensor
    opacity: Tensor
    hardness: Tensor
    aspect: Tensor
    angle: Tensor
    stroke: Tensor

    def subset(self, chosen: Tensor) -> Dabs:
        """Some of the dabs."""
        return Dabs(*(values[chosen] for values in self))


def rasterize_dabs(dabs: Dabs, strokes: int, size: tuple[int, int]) -> Tensor:
    """The coverage (strokes, 1, height, width) of sheets of a size (width, height) in px, on which dabs lie."""
    width, height = size
    seen = (dabs.hardness > 0) & (dabs.opacity > 0)
    rim = dabs.radius.detach() + 1
    seen &= (dabs.x + rim > 0) & (dabs.x - rim < width) & (dabs.y + rim > 0) & (dabs.y - rim < height)
    *shapes, stroke = dabs.subset(seen)
    passed = _LogTransmittance.apply(stroke, strokes, size, *shapes)  # type: ignore[no-untyped-call]
    coverage: Tensor = 1 - passed.exp()
    return coverage.view(strokes, 1, height, width)


class _LogTransmittance(torch.autograd.Function):
    """The logarithm of the light that passes all dabs; its gradient is computed some dabs at a time, as it is."""

    @staticmethod
    def forward(ctx: Any, stroke: Tensor, strokes: int, size: tuple[int, int], *shapes: Tensor) -> Tensor:
        ctx.save_for_backward(stroke, *shapes)
        ctx.size = size
        total = strokes * size[0] * size[1]
        # What lies beside the sheet is added to a number that nobody asks for.
        sums = torch.zeros(total + 1, dtype=torch.int64, device=stroke.device)
        for some, reach in _by_radius(shapes[2]):
            held, place = _log_transmittance(tuple(values[some] for values in shapes), stroke[some], reach, size, total)
            sums.index_add_(0, place.flatten(), (held * _ONE).round_().long().flatten())
        return sums[:total].to(shapes[0]) / _ONE

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        stroke, *shapes = ctx.saved_tensors
        (gradient,) = gradients
        total = gradient.numel()
        # Where hardly any light is left there is hardly a slope, and processors are slow with the smallest numbers.
        gradient = gradient.masked_fill(gradient.abs() < _LEAST, 0.0)
        wanted = torch.cat([gradient.flatten(), gradient.new_zeros(1)])
        slopes = [torch.zeros_like(values) for values in shapes]
        for some, reach in _by_radius(shapes[2]):
            with torch.enable_grad():
                mine = tuple(values[some].requires_grad_() for values in shapes)
                held, place = _log_transmittance(mine, stroke[some], reach, ctx.size, total)
                found = torch.autograd.grad(held, mine, wanted[place], allow_unused=True)
            for slope, part in zip(slopes, found, strict=True):
                if part is not None:
                    slope[some] = part
        return (None, None, None, *slopes)


def _by_radius(radius: Tensor) -> Iterator[tuple[Tensor, int]]:
    """Dabs of much the same radius, by number, and how many px from the pixel in which its middle lies each of them
    reaches at most.
    """
    reaches = radius.detach().ceil().long()
    for reach in torch.unique(reaches).tolist():
        numbers = (reaches == reach).nonzero()[:, 0]
        for some in torch.split(numbers, max(_PIXELS // (2 * reach + 1) ** 2, 1)):
            for kind in (radius[some] < _SOFTENED, radius[some] >= _SOFTENED):
                if len(chosen := some[kind]):
                    yield chosen, reach


def _log_transmittance(
    shapes: tuple[Tensor, ...], stroke: Tensor, reach: int, size: tuple[int, int], total: int
) -> tuple[Tensor, Tensor]:
    """The logarithm of what dabs let through at the pixels around them, and where these lie: (k, 2 reach + 1,
    2 reach + 1) each; `total` for what lies on no sheet.
    """
    x, y, radius, opacity, hardness, aspect, angle = (values[:, None, None] for values in shapes)
    way = torch.arange(-reach, reach + 1, device=x.device)
    column, row = x.detach().floor().long() + way, y.detach().floor().long() + way[:, None]
    dx, dy = column + 0.5 - x, row + 0.5 - y
    small = bool(radius[0, 0, 0] < _SOFTENED)
    if bool(((aspect == 1) & (angle == UPRIGHT)).all()):
        square = _softened_round(dx, dy, radius) if small else (dx * dx + dy * dy) / (radius * radius)
    else:
        cos, sin = torch.cos(angle), torch.sin(angle)
        square = (_softened if small else _square)(dx, dy, radius, aspect, cos, sin)
    core, rim = 1 - square * (1 / hardness - 1), (1 - square) * (hardness / (1 - hardness).clamp(min=1e-6))
    profile = torch.where(square < hardness, core, rim).clamp(min=0)
    held = torch.log1p(-(opacity * profile).clamp(max=_OPAQUE))
    width, height = size
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = torch.where(inside, (stroke[:, None, None] * height + row) * width + column, total)
    return held, place


def _square(dx: Tensor, dy: Tensor, radius: Tensor, aspect: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The squared distance of places from the middle of an elliptic dab, in its radii."""
    along, across = dx * cos + dy * sin, (dy * cos - dx * sin) * aspect
    return (along * along + across * across) / (radius * radius)


def _soft(near: Tensor, far: Tensor, radius: Tensor, aspect: Tensor | float) -> Tensor:
    """What MyPaint takes for a pixel's squared distance, from those of two places in it: its nearest, and one that lies
    a pixel's reach further out.
    """
    core = (radius - 1).clamp(min=0)
    full = far * (radius * radius) < core * core / aspect
    return torch.where(near > 1, near, torch.where(full, (far + near) / 2, far / (1 + far - near)))


def _softened_round(dx: Tensor, dy: Tensor, radius: Tensor) -> Tensor:
    """`_softened` for round, upright dabs, of which most is the same for all pixels of a row or a column."""
    per_square = 1 / (radius * radius)
    beside = (dx.abs() - 0.5).clamp(min=0)
    near_x, far_x = beside * beside * per_square, (beside + _FAR).square() * per_square
    in_y = (dy * dy * per_square).masked_fill((dx.abs() < 0.5) & (dy.abs() < 0.5), 0.0)
    return _soft(near_x + in_y, far_x + in_y, radius, 1.0)


def _softened(dx: Tensor, dy: Tensor, radius: Tensor, aspect: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The squared distance of pixels, by their middle, from the middle of a small dab, as MyPaint softens it."""
    middle = (dx.abs() < 0.5) & (dy.abs() < 0.5)
    along = dx * cos + dy * sin
    near_x = torch.minimum(torch.maximum(along * cos, dx - 0.5), dx + 0.5).masked_fill(middle, 0.0)
    near_y = torch.minimum(torch.maximum(along * sin, dy - 0.5), dy + 0.5).masked_fill(middle, 0.0)
    # MyPaint tells the side on which a pixel lies from a point beside the dab's middle.
    out = torch.where((dx + cos) * sin - cos * (dy - sin) > 0, _FAR, -_FAR)
    far_x, far_y = near_x + out * sin, near_y - out * cos
    near, far = (_square(px, py, radius, aspect, cos, sin) for px, py in ((near_x, near_y), (far_x, far_y)))
    return _soft(near, far, radius, aspect)
