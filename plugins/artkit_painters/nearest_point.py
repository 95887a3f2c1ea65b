"""Nearest point of a quadratic Bezier curve, with its exact gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_SEGMENTS = 8  # straight segments, evenly spaced in t; the search starts at the nearest one
_NEWTON_STEPS = 2
_TURN_RADIUS = 0.05  # in t: closer to a point where the curve turns back, the gradient is that at this distance


def nearest_point(curve: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Find the nearest point of each of b curves to c places.

    curve (6, 1, b): the coefficients a, b and s of ``C(t) = (a t + b) t + s``, each x before y. x, y (c, b): the
    places. Returns t in [0, 1], the offset from C(t) to the place in x and y, and the velocity C'(t) in x and y, each
    (c, b).

    The gradient with respect to the curve is that of the exact solution (implicit function theorem) where the nearest
    point is inside the curve; at its ends t is constant. Near sharp turns, and near the centre of curvature, the
    nearest point jumps and the exact gradient is unbounded; there it is limited.
    """
    result: tuple[Tensor, Tensor, Tensor, Tensor, Tensor] = _NearestPoint.apply(curve, x, y)  # type: ignore[no-untyped-call]
    return result


def _initial_t(curve: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return t (c, b) of the nearest point of the curve's straight segments. x, y: relative to the curve's start."""
    ax, ay, bx, by = curve[:4]
    min_distance = nearest_t = torch.zeros(())
    for segment in range(_SEGMENTS):
        low, high = segment / _SEGMENTS, (segment + 1) / _SEGMENTS
        from_x, from_y = (ax * low + bx) * low, (ay * low + by) * low
        along_x, along_y = (ax * high + bx) * high - from_x, (ay * high + by) * high - from_y
        square = along_x * along_x + along_y * along_y + 1e-9
        length = square.sqrt()
        # The position along the segment, in its lengths, and the distance across it: both are linear in x and y.
        ux, uy, vx, vy = along_x / square, along_y / square, along_y / length, -along_x / length
        along = torch.addcmul(-(from_x * ux + from_y * uy), x, ux).addcmul_(y, uy)
        across = torch.addcmul(-(from_x * vx + from_y * vy), x, vx).addcmul_(y, vy)
        foot = along.clamp(0, 1)
        beyond = along.sub_(foot).mul_(length)
        distance = across.mul_(across).addcmul_(beyond, beyond)
        segment_t = foot.mul_(high - low).add_(low)
        if segment == 0:
            min_distance, nearest_t = distance, segment_t
        else:
            nearest_t = torch.where(distance < min_distance, segment_t, nearest_t)
            torch.minimum(min_distance, distance, out=min_distance)
    return nearest_t


class _NearestPoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, curve: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        ax, ay, bx, by, sx, sy = curve
        x, y = x - sx, y - sy
        t = _initial_t(curve, x, y)

        def offset(t: Tensor) -> tuple[Tensor, Tensor]:
            return (
                torch.addcmul(x, torch.addcmul(bx, ax, t), t, value=-1),
                torch.addcmul(y, torch.addcmul(by, ay, t), t, value=-1),
            )

        ox, oy = offset(t)
        for _ in range(_NEWTON_STEPS):
            vx, vy, slope = _velocity_and_slope(curve, t, ox, oy)
            next_t = torch.addcdiv(t, (ox * vx).addcmul_(oy, vy), slope).clamp_(0, 1)
            next_x, next_y = offset(next_t)
            # At a sharp turn of the curve a Newton step may increase the distance; then it is rejected.
            closer = (next_x * next_x).addcmul_(next_y, next_y) < (ox * ox).addcmul_(oy, oy)
            t, ox, oy = (torch.where(closer, new, old) for new, old in ((next_t, t), (next_x, ox), (next_y, oy)))
        vx, vy, slope = _velocity_and_slope(curve, t, ox, oy)
        min_slope = (2 * _TURN_RADIUS) ** 2 * (ax * ax + ay * ay)
        inverse_slope = torch.where((t > 0) & (t < 1), 1 / torch.maximum(slope, min_slope), 0.0)
        ctx.save_for_backward(t, ox, oy, vx, vy, inverse_slope, ax, ay)
        return t, ox, oy, vx, vy

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        t, ox, oy, vx, vy, inverse_slope, ax, ay = ctx.saved_tensors
        gt, gox, goy, gvx, gvy = gradients
        # The offset depends on t by -C', the velocity by C'' = 2 a, and t itself solves f = (p - C) C' = 0.
        g = torch.addcmul(gt, gox, vx, value=-1).addcmul_(goy, vy, value=-1)
        g = g.addcmul_(gvx, ax, value=2).addcmul_(gvy, ay, value=2).mul_(inverse_slope)
        axes = []
        for o, v, go, gv in ((ox, vx, gox, gvx), (oy, vy, goy, gvy)):
            to_s = torch.addcmul(go, g, v).neg_()
            to_v = torch.addcmul(gv, g, o)
            to_b = torch.addcmul(to_v, to_s, t)
            to_a = (to_b + to_v).mul_(t)
            axes.append([gradient.sum(0, keepdim=True) for gradient in (to_a, to_b, to_s)])
        return torch.stack([gradient for pair in zip(*axes, strict=True) for gradient in pair]), None, None


def _velocity_and_slope(curve: Tensor, t: Tensor, ox: Tensor, oy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the velocity at t, and ``-df/dt = C'C' - (p - C) C''``, kept positive so that steps descend."""
    ax, ay, bx, by = curve[:4]
    vx, vy = torch.addcmul(bx, ax, t, value=2), torch.addcmul(by, ay, t, value=2)
    speed = (vx * vx).addcmul_(vy, vy)
    slope = torch.addcmul(speed, ox, ax, value=-2).addcmul_(oy, ay, value=-2)
    return vx, vy, torch.maximum(slope, speed.mul_(0.25).add_(1e-3))
