"""Differentiable rasterisation of dabs in Triton: `artkit_mypaint.dabs` without waiting for the GPU.

How many dabs a stroke has, and how many pixels a dab covers, is known on the GPU only. The kernels read both there, so
nothing has to be copied to the CPU. The derivatives of the squared distance are written out; those of `_ellipse` and
`_softened` are by the position of the pixel, the radius, the aspect and the angle of the dab.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from artkit_mypaint import dabs as torch_dabs
from artkit_mypaint.triton_engine.arithmetic import clamp

_BLOCK_PX = 16  # side of the block of pixels that is computed at a time
_PROGRAM_DABS = 8  # whose gradients a program computes
_SIZE = tl.constexpr(7)  # values of a dab
_MAX_SOFTENED_RADIUS = tl.constexpr(torch_dabs.MAX_SOFTENED_RADIUS_PX)
_PIXEL_RADIUS = tl.constexpr(torch_dabs.PIXEL_RADIUS)
_MAX_OPACITY = tl.constexpr(torch_dabs.MAX_OPACITY)
_MIN_SOFTNESS = tl.constexpr(1e-6)


class Dab(NamedTuple):
    """A dab, scalars: see `artkit_mypaint.dabs.Dabs`; cosine and sine of its angle."""

    x: Any
    y: Any
    radius: Any
    opacity: Any
    hardness: Any
    aspect: Any
    cos: Any
    sin: Any


@triton.jit
def _load(values):
    angle = tl.load(values + 6)
    return Dab(
        tl.load(values), tl.load(values + 1), tl.load(values + 2), tl.load(values + 3), tl.load(values + 4),
        tl.load(values + 5), tl.cos(angle), tl.sin(angle),
    )  # fmt: skip


@triton.jit
def _ellipse(x, y, dab):
    """The squared distance of a point (x, y) px from the centre, in radii, and its derivatives."""
    along, across = x * dab.cos + y * dab.sin, (y * dab.cos - x * dab.sin) * dab.aspect
    scale = 2.0 / (dab.radius * dab.radius)
    r2 = (along * along + across * across) * scale * 0.5
    by_x = (along * dab.cos - across * dab.aspect * dab.sin) * scale
    by_y = (along * dab.sin + across * dab.aspect * dab.cos) * scale
    by_radius = -2.0 * r2 / dab.radius
    by_aspect = across * across * scale / dab.aspect
    by_angle = along * across * (1.0 / dab.aspect - dab.aspect) * scale
    return r2, by_x, by_y, by_radius, by_aspect, by_angle


@triton.jit
def _softened(x, y, dab):
    """`_ellipse` of a pixel with centre (x, y), of a small dab: `artkit_mypaint.dabs._softened_ellipse_r2`."""
    cos, sin = dab.cos, dab.sin
    central = (tl.abs(x) < 0.5) & (tl.abs(y) < 0.5)
    along, turned = x * cos + y * sin, y * cos - x * sin
    on_axis_x, on_axis_y = along * cos, along * sin
    near_x = tl.where(central, 0.0, clamp(on_axis_x, x - 0.5, x + 0.5))
    near_y = tl.where(central, 0.0, clamp(on_axis_y, y - 0.5, y + 0.5))
    # The nearest point follows the axis of the dab, or the edge of the pixel.
    free_x = ~central & (tl.abs(on_axis_x - x) < 0.5)
    free_y = ~central & (tl.abs(on_axis_y - y) < 0.5)
    x_by_x = tl.where(free_x, cos * cos, tl.where(central, 0.0, 1.0))
    y_by_y = tl.where(free_y, sin * sin, tl.where(central, 0.0, 1.0))
    x_by_y, y_by_x = tl.where(free_x, cos * sin, 0.0), tl.where(free_y, cos * sin, 0.0)
    x_by_angle = tl.where(free_x, turned * cos - along * sin, 0.0)
    y_by_angle = tl.where(free_y, turned * sin + along * cos, 0.0)
    outwards = tl.where((x + cos) * sin - cos * (y - sin) > 0.0, _PIXEL_RADIUS, -_PIXEL_RADIUS)
    near, near_dx, near_dy, near_radius, near_aspect, near_angle = _ellipse(near_x, near_y, dab)
    far, far_dx, far_dy, far_radius, far_aspect, far_angle = _ellipse(
        near_x + outwards * sin, near_y - outwards * cos, dab
    )
    core = tl.maximum(dab.radius - 1.0, 0.0)
    in_core = far * (dab.radius * dab.radius) < core * core / dab.aspect
    beside = 1.0 / (1.0 + far - near)
    outer = near > 1.0
    r2 = tl.where(outer, near, tl.where(in_core, (far + near) * 0.5, far * beside))
    by_near = tl.where(outer, 1.0, tl.where(in_core, 0.5, far * beside * beside))
    by_far = tl.where(outer, 0.0, tl.where(in_core, 0.5, (1.0 - near) * beside * beside))
    dx, dy = by_near * near_dx + by_far * far_dx, by_near * near_dy + by_far * far_dy
    by_angle = by_near * near_angle + by_far * (far_angle + outwards * (far_dx * cos + far_dy * sin))
    return (
        r2,
        dx * x_by_x + dy * y_by_x,
        dx * x_by_y + dy * y_by_y,
        by_near * near_radius + by_far * far_radius,
        by_near * near_aspect + by_far * far_aspect,
        by_angle + dx * x_by_angle + dy * y_by_angle,
    )


@triton.jit
def _squared_distance(x, y, dab):
    if dab.radius < _MAX_SOFTENED_RADIUS:
        r2, by_x, by_y, by_radius, by_aspect, by_angle = _softened(x, y, dab)
    else:
        r2, by_x, by_y, by_radius, by_aspect, by_angle = _ellipse(x, y, dab)
    return r2, by_x, by_y, by_radius, by_aspect, by_angle


@triton.jit
def _profile(r2, dab):
    """The share of its opacity that a dab has at a squared distance in radii."""
    core = 1.0 - r2 * (1.0 / dab.hardness - 1.0)
    edge = (1.0 - r2) * (dab.hardness / tl.maximum(1.0 - dab.hardness, _MIN_SOFTNESS))
    return tl.maximum(tl.where(r2 < dab.hardness, core, edge), 0.0)


@triton.jit
def _is_drawn(dab, left, top, width, height):
    """Whether a dab leaves paint in a rectangle."""
    extent = dab.radius + 1.0
    near_x = (dab.x + extent > left) & (dab.x - extent < left + width)
    near_y = (dab.y + extent > top) & (dab.y - extent < top + height)
    return near_x & near_y & (dab.hardness > 0.0) & (dab.opacity > 0.0)


@triton.jit
def sum_logs(values, counts, sums, capacity, width, height, block_px: tl.constexpr):
    """Compute the logarithm of the transmittance of strokes.

    values (m, capacity, 7): dabs. counts (m,): how many of them each stroke has. Writes sums (m, height, width). Grid:
    (m, blocks of a patch).
    """
    stroke = tl.program_id(0).to(tl.int64)
    blocks = (width + block_px - 1) // block_px
    column, row = tl.program_id(1) % blocks * block_px, tl.program_id(1) // blocks * block_px
    columns, rows = column + tl.arange(0, block_px)[None, :], row + tl.arange(0, block_px)[:, None]
    x, y = columns.to(tl.float32) + 0.5, rows.to(tl.float32) + 0.5
    total = tl.zeros([block_px, block_px], tl.float32)
    for index in range(tl.load(counts + stroke)):
        dab = _load(values + (stroke * capacity + index) * _SIZE)
        if _is_drawn(dab, column, row, block_px, block_px):
            r2, _, _, _, _, _ = _squared_distance(x - dab.x, y - dab.y, dab)
            total += tl.log(1.0 - tl.minimum(dab.opacity * _profile(r2, dab), _MAX_OPACITY))
    inside = (rows < height) & (columns < width)
    tl.store(sums + stroke * height * width + rows * width + columns, total, mask=inside)


@triton.jit
def _add_gradient(totals, x, y, dab, gradient):
    """Add the gradient of a dab at a block of pixels to its totals. gradient: of the logarithms."""
    r2, by_x, by_y, by_radius, by_aspect, by_angle = _squared_distance(x, y, dab)
    hardness, profile = dab.hardness, _profile(r2, dab)
    gradient = tl.where(dab.opacity * profile < _MAX_OPACITY, -gradient / (1.0 - dab.opacity * profile), 0.0)
    by_profile = tl.where(profile > 0.0, gradient * dab.opacity, 0.0)
    softness = tl.maximum(1.0 - hardness, _MIN_SOFTNESS)
    by_r2 = by_profile * tl.where(r2 < hardness, 1.0 - 1.0 / hardness, -hardness / softness)
    by_hardness = by_profile * tl.where(r2 < hardness, r2 / (hardness * hardness), (1.0 - r2) / (softness * softness))
    return (
        totals[0] - by_r2 * by_x,
        totals[1] - by_r2 * by_y,
        totals[2] + by_r2 * by_radius,
        totals[3] + gradient * profile,
        totals[4] + by_hardness,
        totals[5] + by_r2 * by_aspect,
        totals[6] + by_r2 * by_angle,
    )


@triton.jit
def _first_and_end(centre, extent, length):
    """The pixels of a row or column of `length` px that a dab may cover."""
    first = clamp(tl.floor(centre - extent), 0.0, length * 1.0).to(tl.int32)
    return first, clamp(tl.ceil(centre + extent), 0.0, length * 1.0).to(tl.int32)


@triton.jit
def sum_gradients(
    values, counts, gradients, results, capacity, width, height, block_px: tl.constexpr, program_dabs: tl.constexpr
):
    """Compute the gradients of dabs, for those (m, height, width) of `sum_logs`.

    Writes results (m, capacity, 7) where there is a dab. Grid: (m, groups of `program_dabs` dabs).
    """
    stroke = tl.program_id(0).to(tl.int64)
    first_dab = tl.program_id(1) * program_dabs
    last_dab = tl.minimum(first_dab + program_dabs, tl.load(counts + stroke))
    pixels = gradients + stroke * height * width
    for index in range(first_dab, last_dab):
        dab = _load(values + (stroke * capacity + index) * _SIZE)
        zero = tl.zeros([block_px, block_px], tl.float32)
        totals = (zero, zero, zero, zero, zero, zero, zero)
        if _is_drawn(dab, 0, 0, width, height):
            left, right = _first_and_end(dab.x, dab.radius + 1.0, width)
            top, bottom = _first_and_end(dab.y, dab.radius + 1.0, height)
            for row in range(top, bottom, block_px):
                for column in range(left, right, block_px):
                    rows, columns = row + tl.arange(0, block_px)[:, None], column + tl.arange(0, block_px)[None, :]
                    inside = (rows < bottom) & (columns < right)
                    gradient = tl.load(pixels + rows * width + columns, mask=inside, other=0.0)
                    x, y = columns.to(tl.float32) + 0.5 - dab.x, rows.to(tl.float32) + 0.5 - dab.y
                    totals = _add_gradient(totals, x, y, dab, gradient)
        result = results + (stroke * capacity + index) * _SIZE
        for k in tl.static_range(7):
            tl.store(result + k, tl.sum(totals[k]))


@torch.library.custom_op("artkit_mypaint::log_transmittance", mutates_args=())
def log_transmittance(values: Tensor, counts: Tensor, width: int, height: int) -> Tensor:
    """Compute the logarithm of the transmittance of strokes from their dabs.

    values (m, D, 7) float32: dabs, as in `artkit_mypaint.dabs.Dabs`, of which stroke i has the first counts[i]. Returns
    (m, height, width). On the CPU, and so on the simulated GPU of the test kit, `artkit_mypaint.dabs` computes it.
    """
    sums = values.new_empty(len(values), height, width)
    blocks = math.ceil(width / _BLOCK_PX) * math.ceil(height / _BLOCK_PX)
    if sums.numel():
        sum_logs[len(values), blocks](values, counts, sums, values.shape[1], width, height, _BLOCK_PX)
    return sums


@torch.library.custom_op("artkit_mypaint::log_transmittance_backward", mutates_args=())
def log_transmittance_backward(values: Tensor, counts: Tensor, gradients: Tensor) -> Tensor:
    """Compute the gradient (m, D, 7) of the dabs for that (m, height, width) of `log_transmittance`."""
    results = torch.zeros_like(values)
    (_, height, width), groups = gradients.shape, math.ceil(values.shape[1] / _PROGRAM_DABS)
    if results.numel():
        sum_gradients[len(values), groups](
            values, counts, gradients, results, values.shape[1], width, height, _BLOCK_PX, _PROGRAM_DABS
        )
    return results


@log_transmittance.register_fake
def _(values: Tensor, counts: Tensor, width: int, height: int) -> Tensor:
    return values.new_empty(len(values), height, width)


@log_transmittance_backward.register_fake
def _(values: Tensor, counts: Tensor, gradients: Tensor) -> Tensor:
    return torch.empty_like(values)


@log_transmittance.register_kernel("cpu")
def _(values: Tensor, counts: Tensor, width: int, height: int) -> Tensor:
    return _on_cpu(values, counts, width, height)


@log_transmittance_backward.register_kernel("cpu")
def _(values: Tensor, counts: Tensor, gradients: Tensor) -> Tensor:
    def gradient() -> Tensor:
        inputs = values.detach().requires_grad_()
        logs = _on_cpu(inputs, counts, gradients.shape[2], gradients.shape[1])
        return torch.autograd.grad(logs, inputs, gradients)[0]

    with ThreadPoolExecutor(1) as thread:  # in an operator torch records no gradients, in a new thread it does
        return thread.submit(gradient).result()


def _on_cpu(values: Tensor, counts: Tensor, width: int, height: int) -> Tensor:
    stroke, index = (torch.arange(values.shape[1]) < counts[:, None]).nonzero().unbind(1)
    dabs = torch_dabs.Dabs._make([*values[stroke, index].unbind(1), stroke])
    return torch_dabs.log_transmittance(dabs, len(values), (width, height)).view(len(values), height, width)
