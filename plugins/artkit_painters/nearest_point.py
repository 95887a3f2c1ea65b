"""The nearest point of a quadratic Bezier curve, with its exact gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_PIECES = 8  # straight pieces, evenly in t, from the nearest of which the search sets out
_NEWTON = 2  # steps from there
_TURN = 0.05  # of t: nearer to a point where the curve turns back, the gradient is taken as there


def nearest_point(curve: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Where on its curve the point nearest to each of c places lies, for b curves.

    curve (6, 1, b): a, b and s of ``C(t) = (a t + b) t + s``, each x before y. x, y (c, b): the places. -> t in [0, 1],
    the offset from C(t) to the place in x and y, and the velocity C'(t) in x and y, each (c, b).

    The gradient to the curve is that of the exact solution (implicit function theorem), where the nearest point is
    inside the curve; at its ends t stands still. Where the curve turns sharply, and near the middle of its bends, the
    nearest point leaps, and the exact slope would be beyond all bounds; there it is held back.
    """
    found: tuple[Tensor, Tensor, Tensor, Tensor, Tensor] = _Nearest.apply(curve, x, y)  # type: ignore[no-untyped-call]
    return found


def _start(curve: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """T (c, b) of the nearest point of the curve's straight pieces. x, y: from the curve's start."""
    ax, ay, bx, by = curve[:4]
    best = t = torch.zeros(())
    for piece in range(_PIECES):
        low, high = piece / _PIECES, (piece + 1) / _PIECES
        from_x, from_y = (ax * low + bx) * low, (ay * low + by) * low
        along_x, along_y = (ax * high + bx) * high - from_x, (ay * high + by) * high - from_y
        square = along_x * along_x + along_y * along_y + 1e-9
        length = square.sqrt()
        # Way along the piece, in its lengths, and distance across it: both are linear in x and y.
        ux, uy, vx, vy = along_x / square, along_y / square, along_y / length, -along_x / length
        way = torch.addcmul(-(from_x * ux + from_y * uy), x, ux).addcmul_(y, uy)
        across = torch.addcmul(-(from_x * vx + from_y * vy), x, vx).addcmul_(y, vy)
        foot = way.clamp(0, 1)
        beyond = way.sub_(foot).mul_(length)
        distance = across.mul_(across).addcmul_(beyond, beyond)
        here = foot.mul_(high - low).add_(low)
        if piece == 0:
            best, t = distance, here
        else:
            t = torch.where(distance < best, here, t)
            torch.minimum(best, distance, out=best)
    return t


class _Nearest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, curve: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        ax, ay, bx, by, sx, sy = curve
        x, y = x - sx, y - sy
        t = _start(curve, x, y)

        def offset(t: Tensor) -> tuple[Tensor, Tensor]:
            return (
                torch.addcmul(x, torch.addcmul(bx, ax, t), t, value=-1),
                torch.addcmul(y, torch.addcmul(by, ay, t), t, value=-1),
            )

        ox, oy = offset(t)
        for _ in range(_NEWTON):
            vx, vy, slope = _slope(curve, t, ox, oy)
            closer = torch.addcdiv(t, (ox * vx).addcmul_(oy, vy), slope).clamp_(0, 1)
            cx, cy = offset(closer)
            # Where the curve turns sharply a step may lead away; then it is not taken.
            better = (cx * cx).addcmul_(cy, cy) < (ox * ox).addcmul_(oy, oy)
            t, ox, oy = (torch.where(better, new, old) for new, old in ((closer, t), (cx, ox), (cy, oy)))
        vx, vy, slope = _slope(curve, t, ox, oy)
        least = (2 * _TURN) ** 2 * (ax * ax + ay * ay)
        moves = torch.where((t > 0) & (t < 1), 1 / torch.maximum(slope, least), 0.0)
        ctx.save_for_backward(t, ox, oy, vx, vy, moves, ax, ay)
        return t, ox, oy, vx, vy

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        t, ox, oy, vx, vy, moves, ax, ay = ctx.saved_tensors
        gt, gox, goy, gvx, gvy = gradients
        # All that depends on t: the offset by -C', the velocity by C'' = 2 a. And t itself follows f = (p - C) C' = 0.
        g = torch.addcmul(gt, gox, vx, value=-1).addcmul_(goy, vy, value=-1)
        g = g.addcmul_(gvx, ax, value=2).addcmul_(gvy, ay, value=2).mul_(moves)
        out = []
        for o, v, go, gv in ((ox, vx, gox, gvx), (oy, vy, goy, gvy)):
            to_s = torch.addcmul(go, g, v).neg_()
            to_v = torch.addcmul(gv, g, o)
            to_b = torch.addcmul(to_v, to_s, t)
            to_a = (to_b + to_v).mul_(t)
            out.append([to.sum(0, keepdim=True) for to in (to_a, to_b, to_s)])
        return torch.stack([to for pair in zip(*out, strict=True) for to in pair]), None, None


def _slope(curve: Tensor, t: Tensor, ox: Tensor, oy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The velocity at t, and ``-df/dt = C'C' - (p - C) C''``, kept positive, so that steps go towards a minimum."""
    ax, ay, bx, by = curve[:4]
    vx, vy = torch.addcmul(bx, ax, t, value=2), torch.addcmul(by, ay, t, value=2)
    speed = (vx * vx).addcmul_(vy, vy)
    slope = torch.addcmul(speed, ox, ax, value=-2).addcmul_(oy, ay, value=-2)
    return vx, vy, torch.maximum(slope, speed.mul_(0.25).add_(1e-3))
