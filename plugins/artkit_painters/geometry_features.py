"""Features of the geometry painter: where each cell of a patch lies relative to the curve of its stroke.

All functions are differentiable with respect to the action. Lengths are in px of the patch unless they are given in
brush radii.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from artkit_mypaint import stroke_geometry
from artkit_painters.nearest_point import nearest_point

FEATURES = 17
CELL = 2
"""Side of a cell in px."""

FADE_PX = 2.0
"""Distance in px beyond the extent of the brush at which its paint has faded to nothing."""

FULL_PAINT_SHARE = 0.7
"""Share of the extent of the brush within which its paint is not attenuated."""

INITIAL_SCATTER = ((0.4, 1.2), (0.4, 1.2), (0.8, 1.6))
"""Initial values of `BrushFootprint.scatter`."""

_MIN_RELATIVE_SPEED = 0.1  # of the mean speed along the curve: below it, the curve's direction fades out
_INK_SEGMENTS = 24  # segments of the curve in the sum over its ink


class BrushFootprint(NamedTuple):
    """How far from the curve a brush leaves paint.

    extent: distance in brush radii beyond which there is no paint, at pressure 0, and its increase at pressure 1.
    pressure_radius_curve: see `stroke_geometry.radius_at_pressure`. scatter (3, 2): standard deviation in brush radii
    of the dabs' scatter, at pressure 0, and its increase at pressure 1, for three ink features.
    """

    extent: tuple[float, float]
    pressure_radius_curve: Sequence[float]
    scatter: Tensor

    def extent_px(self, pressure: Tensor, radius: Tensor) -> Tensor:
        """Distance in px from the curve at which paint has faded to nothing. radius: of the brush there, px."""
        return (self.extent[0] + self.extent[1] * pressure) * radius + FADE_PX


class CellFeatures(NamedTuple):
    """Features of c cells of each of b strokes.

    features (FEATURES, c, b). gate (c, b): 1 near the curve, falling to 0 at the extent of the brush. across (c, b, k):
    offset in brush radii, away from the curve, of each of a cell's k pixels, row by row, from the cell's centre.
    pressure (c, b): at the nearest point of the curve.
    """

    features: Tensor
    gate: Tensor
    across: Tensor
    pressure: Tensor

    def as_maps(self) -> tuple[Tensor, Tensor]:
        """Return features (b, FEATURES, s, s) and gate (b, 1, s, s), if the cells are all cells of square windows."""
        side = math.isqrt(self.gate.shape[0])
        features, gate = (
            values.permute(2, 0, 1).reshape(values.shape[2], -1, side, side).contiguous()
            for values in (self.features, self.gate[None])
        )
        return features, gate


def window_features(
    footprint: BrushFootprint,
    actions: Tensor,
    corner: Tensor,
    side: float,
    size: tuple[int, int],
    cell: int = CELL,
) -> CellFeatures:
    """Compute the features of all cells of windows, row by row.

    actions (m, >= 9), in [0, 1]. corner (m, 2): upper left of each window, px relative to the tile's. side: of the
    tile, px. size: width and height of the windows, px. cell: side of a cell, px.
    """
    x, y = cell_centres(actions, corner, size, cell)
    ink = curve_ink(footprint, actions, side, x, y).flatten(2).transpose(1, 2)
    return cell_features(footprint, stroke_parameters(actions, side)[:, None], ink, *cell_grid(x, y), cell)


def cell_features(
    footprint: BrushFootprint, parameters: Tensor, ink: Tensor, x: Tensor, y: Tensor, cell: int
) -> CellFeatures:
    """Compute the features of cells.

    parameters (10, 1, b): see `stroke_parameters`. ink (2, c, b): see `curve_ink`. x, y (c, b): centres of the cells,
    px relative to the tile's corner. cell: side of a cell, px.
    """
    ax, ay, bx, by = parameters[:4]
    start_pressure, pressure_change = parameters[7], parameters[8] - parameters[7]
    t, ox, oy, vx, vy = nearest_point(parameters[:6], x, y)
    pressure = torch.addcmul(start_pressure, pressure_change, t)
    radius = parameters[6] * stroke_geometry.radius_at_pressure(pressure, footprint.pressure_radius_curve)
    per_radius = 1 / radius
    speed2 = (vx * vx).addcmul(vy, vy)
    speed = speed2.add(1e-3).sqrt()
    per_speed2 = 1 / speed2.addcmul(parameters[9], parameters[9], value=_MIN_RELATIVE_SPEED**2)
    distance2 = (ox * ox).addcmul(oy, oy)
    ratio2 = distance2 * (per_radius * per_radius)
    with torch.no_grad():
        at_end = (t == 0) | (t == 1)
        curve_side = (oy * vx - ox * vy).sign()
    inverse = (distance2 + 0.01).rsqrt() * per_radius
    across = torch.stack([ox * inverse, oy * inverse], dim=-1) @ _pixel_offsets(x, cell)
    # Beyond the ends of the curve the offset has a component along it; elsewhere it is perpendicular.
    u = (ox * vx).addcmul(oy, vy) * (per_radius / speed * at_end)
    across2 = (ratio2 - u * u).clamp(min=0)
    v = (across2 + 1e-4).sqrt() * curve_side
    from_start, to_end = _path_lengths((ax, ay, bx, by), t, u, (vx, vy), speed, per_radius)
    ratio = (ratio2 + 1e-4).sqrt()
    # The line integral of a Gaussian along a straight line at the distance of the curve.
    scale = 2**-0.5 / (footprint.scatter[0, 0] + footprint.scatter[0, 1] * pressure)
    line_ink = torch.exp(-(across2 * (scale * scale)).clamp(max=30))
    line_ink = line_ink * (torch.erf(from_start * scale) + torch.erf(to_end * scale)) * (pressure / (0.5 + pressure))
    narrow_ink, wide_ink = ink
    features = [
        *(ratio.clamp(max=5) / 2, torch.exp(ratio2.clamp(max=50) * -0.5), torch.exp(distance2.clamp(max=200) * -0.125)),
        *(u.clamp(-4, 4) / 2, v.clamp(-4, 4) / 2, pressure * 2 - 1),
        *(from_start.clamp(-4, 8) / 4 - 1, to_end.clamp(-4, 8) / 4 - 1),
        *(line_ink, narrow_ink, torch.exp(-narrow_ink), wide_ink, torch.exp(-wide_ink)),
        *(speed * (per_radius / 16) - 1, (ratio / (0.3 + pressure)).clamp(max=6) / 3),
        # Double angle of the curve's direction, equal for both ways along it: the width of a nib depends on it. It
        # fades out where the curve turns on the spot, since its gradient is unbounded there.
        *((vx * vx).addcmul(vy, vy, value=-1) * per_speed2, 2 * vx * vy * per_speed2),
    ]
    extent = footprint.extent_px(pressure, radius)
    # Falls to 0 at the extent; the value is continuous at both ends, the slope at the outer one.
    gate = ((1 - distance2 / (extent * extent)) / (1 - FULL_PAINT_SHARE**2)).clamp(0, 1)
    return CellFeatures(torch.stack(features), gate * gate, across, pressure)


def curve_ink(footprint: BrushFootprint, actions: Tensor, side: float, x: Tensor, y: Tensor) -> Tensor:
    """Compute two ink densities of the whole curve at the cells of columns x (m, w) and rows y (m, h): (2, m, h, w).

    A brush that scatters its dabs leaves the line integral of a Gaussian along the curve. The sum over short segments
    is a matrix product, since a Gaussian is the product of one in x and one in y.
    """
    t = torch.linspace(0, 1, _INK_SEGMENTS + 1, device=actions.device, dtype=actions.dtype)
    middle = (t[1:] + t[:-1]) / 2
    nodes = stroke_geometry.curve(actions, middle) * side
    length = ((stroke_geometry.curve(actions, t) * side).diff(dim=1).square().sum(-1) + 1e-4).sqrt()
    pressure = stroke_geometry.pressure(actions, middle)
    radius = (stroke_geometry.max_radius(actions) * side)[:, None] * stroke_geometry.radius_at_pressure(
        pressure, footprint.pressure_radius_curve
    )
    dx2, dy2 = ((nodes[:, :, axis, None] - centres[:, None]).square() for axis, centres in ((0, x), (1, y)))
    inks = []
    pressure_weights = (pressure / (0.5 + pressure), pressure.square())
    for (base, increase), weight in zip(footprint.scatter[1:], pressure_weights, strict=True):
        # The variance exceeds that of the dabs' scatter, so that the segments blend.
        variance = ((base + increase * pressure) * radius).square() + 0.3 * length.square() + 0.25
        exponent = (-0.5 / variance)[..., None]
        weight = (length * weight / variance.sqrt() * 0.8)[..., None]
        in_x, in_y = (torch.exp((d * exponent).clamp(min=-30)) for d in (dx2, dy2))
        inks.append(torch.bmm((in_y * weight).transpose(1, 2), in_x))
    return torch.stack(inks)


def stroke_parameters(actions: Tensor, side: float) -> Tensor:
    """Return the parameters of strokes, (10, m), px.

    They are a, b and s of the curve ``(a t + b) t + s``, each x before y; the radius of the brush; the pressure at the
    start and at the end; and the length of the curve.
    """
    a, b, start = (coefficient * side for coefficient in stroke_geometry.bezier_coefficients(actions))
    speeds = [((b + 2 * t * a).square().sum(1) + 1e-6).sqrt() for t in (0.0, 0.5, 1.0)]
    length = (speeds[0] + 4 * speeds[1] + speeds[2]) / 6
    rest = torch.stack([stroke_geometry.max_radius(actions) * side, actions[:, 6], actions[:, 7], length])
    return torch.cat([a.t(), b.t(), start.t(), rest])


def cell_centres(actions: Tensor, corner: Tensor, size: tuple[int, int], step: int) -> tuple[Tensor, Tensor]:
    """Return the centres of squares of `step` px, such as cells, in windows of a size (width, height) in px.

    corner (m, 2): upper left of the windows. Returns x of the columns (m, columns) and y of the rows (m, rows), px
    relative to the tile's corner.
    """
    across, down = (
        torch.arange(length // step, device=actions.device).to(actions) * step + step / 2 for length in size
    )
    return corner[:, :1].to(actions) + across, corner[:, 1:].to(actions) + down


def cell_grid(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return x and y (rows * columns, m) of all cells, row by row, from those of columns and rows (m, cells)."""
    columns, rows = x.shape[1], y.shape[1]
    across = x.t()[None].expand(rows, -1, -1).flatten(0, 1)
    return across, y.t()[:, None].expand(-1, columns, -1).flatten(0, 1)


def _path_lengths(
    curve: tuple[Tensor, Tensor, Tensor, Tensor],
    t: Tensor,
    u: Tensor,
    velocity: tuple[Tensor, Tensor],
    speed: Tensor,
    per_radius: Tensor,
) -> tuple[Tensor, Tensor]:
    """Lengths along the curve, in brush radii, from its start to t and from t to its end.

    By Simpson's rule, which is exact near the ends, where the lengths matter. The norm of the sum of two velocities is
    twice the speed halfway between them. u: distance beyond the ends of the curve, in brush radii.
    """
    ax, ay, bx, by = curve
    vx, vy = velocity
    from_start = torch.addcmul(u, _norm(bx, by) / 2 + 2 * _norm(vx + bx, vy + by) + speed, t * (per_radius / 6))
    ex, ey = bx + 2 * ax, by + 2 * ay
    to_end = torch.addcmul(-u, _norm(ex, ey) / 2 + 2 * _norm(vx + ex, vy + ey) + speed, (1 - t) * (per_radius / 6))
    return from_start, to_end


def _norm(x: Tensor, y: Tensor) -> Tensor:
    """Length of a vector, greater than zero."""
    return (x * x).addcmul(y, y).add(1e-3).sqrt()


def _pixel_offsets(like: Tensor, cell: int) -> Tensor:
    """X and y (2, cell ** 2), px, of a cell's pixels relative to its centre, row by row; device and dtype of `like`."""
    offset = torch.arange(cell, device=like.device, dtype=like.dtype) - (cell - 1) / 2
    return torch.stack([offset.repeat(cell), offset.repeat_interleave(cell)])
