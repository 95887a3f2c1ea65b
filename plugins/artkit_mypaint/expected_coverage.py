"""The expected coverage of a stroke, in closed form: a differentiable model of any brush that needs no training.

The dabs of a stroke are displaced at random around its curve. A pixel lets the light of all dabs through that do not
cover it: the logarithm of its transmittance is a sum over dabs, whose mean over the brush's randomness is a blurred
stroke. Here that mean is a sum of Gaussians at nodes along the curve,

    coverage = 1 - exp(-sum_k mass_k N(x; c_k, v_k)),

with position c, variance v (of the dabs' shape and of their scatter) and mass (how much light dabs absorb) as
differentiable functions of the action. How mass and variance depend on pressure, length and size is measured once for
each brush, on strokes of the engine. A Gaussian is separable, so the sum is one matrix product for each stroke.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from artkit import Place
from artkit_mypaint import stroke_geometry
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.state import (
    DAB_HARDNESS,
    DAB_OPACITY,
    DAB_PRESSURE,
    DAB_RADIUS,
    DAB_RATIO,
    DAB_TIME,
    DAB_X,
    DAB_Y,
)
from artkit_mypaint.tracing import curve_parameter, trace_actions

NODES = 24
"""Gaussians along a stroke."""

_STROKES = 512  # on which a brush is measured
_SIDE = 256  # px of their tiles: so large that the width of a pixel hardly matters
_MAX_DABS = 1 << 16  # of these strokes that are measured
_BINS = 17  # pressures, evenly spaced in [0, 1], at which quantities are known
_TINY = 1e-6
_MAX_OPACITY = 0.99
_EDGE_ABSORPTION = 5.0  # ln 2 times e^2: see `_saturation`
_NEGLIGIBLE_DEVIATIONS = 5.0  # standard deviations from its centre at which a Gaussian has 4e-6 of its height
_BATCH = 256  # strokes of which the gradient is computed at a time on the CPU
_MAX_BATCH_PIXELS = 1 << 25  # of their patches on a GPU
_PIXEL_VARIANCE = 0.3  # px^2 that are added, of a pixel and its anti-aliasing


class BrushStatistics(NamedTuple):
    """What a brush does at `_BINS` pressures; lengths are relative to the largest radius of the stroke.

    shape: variance of a dab's shape per axis. scatter: variance of dab positions per axis. mass_per_length: absorption
    along a curve; mass_per_time: absorption of dabs that follow the clock, for a whole stroke.
    """

    shape: Tensor
    scatter: Tensor
    mass_per_length: Tensor
    mass_per_time: Tensor


def _profile_moments(opacity: Tensor, hardness: Tensor) -> tuple[Tensor, Tensor]:
    """Integrals over the unit disc of -log(1 - opacity f(r^2)), and of that times x^2; f: MyPaint's profile."""
    u = (torch.arange(64) + 0.5) / 64  # squared radius, uniform on a disc
    h = hardness.clamp(0.02, 0.98)[:, None]
    profile = torch.where(u < h, 1 - u * (1 / h - 1), h / (1 - h) * (1 - u))
    absorption = -torch.log1p(-(opacity.clamp(0, _MAX_OPACITY)[:, None] * profile))
    return math.pi * absorption.mean(1), math.pi / 2 * (absorption * u).mean(1)


def measure_brush(engine: Engine, seed: int = 0) -> BrushStatistics:
    """Measure a brush on random strokes."""
    generator = torch.Generator().manual_seed(seed)
    actions = torch.rand(_STROKES, 12, generator=generator)
    indices = torch.arange(_STROKES)
    paths = trace_actions(actions, torch.zeros(_STROKES, 2), _SIDE, indices, seed)
    dabs_array, counts = engine.dabs(paths)
    stride = 1 + len(dabs_array) // _MAX_DABS  # each dab stands for so many
    dabs = torch.from_numpy(dabs_array[::stride])
    stroke = indices.repeat_interleave(torch.from_numpy(counts))[::stride]
    radius = stroke_geometry.max_radius(actions)[stroke] * _SIDE
    t = curve_parameter(dabs[:, DAB_TIME])
    centre = stroke_geometry.curve_points(actions, stroke, t) * _SIDE
    offset = (dabs[:, [DAB_X, DAB_Y]] - centre) / radius[:, None]
    mass, moment = _profile_moments(dabs[:, DAB_OPACITY], dabs[:, DAB_HARDNESS])
    area = (dabs[:, DAB_RADIUS] / radius) ** 2 / dabs[:, DAB_RATIO].clamp(min=1)  # ellipses count as discs
    mass, moment = stride * mass * area, stride * moment * area**2
    weights = _bin_weights(dabs[:, DAB_PRESSURE])
    total = (weights * mass[:, None]).sum(0).clamp(min=1e-9)
    shape = (weights * moment[:, None]).sum(0) / total
    scatter = (weights * (mass * offset.square().sum(1) / 2)[:, None]).sum(0) / total
    return BrushStatistics(_fill(shape, total), _fill(scatter, total), *_mass_rates(actions, stroke, t, mass, total))


def _bin_weights(pressure: Tensor) -> Tensor:
    """Linear interpolation weights (k, _BINS) of pressures (k,)."""
    place = pressure.clamp(0, 1) * (_BINS - 1)
    return (1 - (place[:, None] - torch.arange(_BINS)).abs()).clamp(min=0)


def _fill(values: Tensor, mass: Tensor) -> Tensor:
    """Replace the values of bins without paint by those of the next bin with paint."""
    painted = mass > 1e-6
    if not painted.any():
        return torch.full_like(values, 0.25)
    places = torch.arange(_BINS)
    nearest = (places[:, None] - places[painted]).abs().argmin(1)
    return values[painted][nearest]


def _mass_rates(actions: Tensor, stroke: Tensor, t: Tensor, mass: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
    """Fit mass per length and per time at each pressure, by least squares over short pieces of the strokes."""
    pieces = 12
    piece = (t * pieces).long().clamp(max=pieces - 1)
    absorbed = torch.zeros(_STROKES * pieces).index_add_(0, stroke * pieces + piece, mass)
    middle = (torch.arange(pieces) + 0.5) / pieces
    ends = torch.linspace(0, 1, pieces + 1)
    radius = stroke_geometry.max_radius(actions)
    points = stroke_geometry.curve(actions, ends)
    length = (points.diff(dim=1).norm(dim=-1) / radius[:, None]).flatten()
    weights = _bin_weights(stroke_geometry.pressure(actions, middle).flatten())
    # Unknowns: mass per length and mass per piece, in each bin of pressure.
    design = torch.cat([weights * length[:, None], weights / pieces], dim=1).double()
    ridge = 1e-3 * torch.eye(2 * _BINS).double() * design.square().mean() * len(design) / _BINS
    solution = torch.linalg.solve(design.T @ design + ridge, design.T @ absorbed.double()).float().clamp(min=0)
    return solution[:_BINS], solution[_BINS:]


def _saturation(height: Tensor, variance: Tensor, length: Tensor, shape: Tensor, scatter: Tensor) -> Tensor:
    """A factor that keeps dense paint as wide as its dabs.

    A dab ends at its edge, a Gaussian does not: with growing mass it would widen the stroke. A mass at which half the
    coverage is reached at the edge of a disc (variance 1/4) is enough; scattered dabs have no such edge.
    """
    overlap = ((2 * math.pi * variance).sqrt() / length).clamp(1, NODES)
    limit = _EDGE_ABSORPTION * (1 + scatter / shape)
    peak = height * overlap
    return limit * -torch.expm1(-peak / limit) / peak.clamp(min=1e-6)


class ExpectedCoverage(nn.Module):
    """The expected coverage of strokes of a brush.

    statistics: of the brush; see `measure_brush`.
    """

    def __init__(self, statistics: BrushStatistics) -> None:
        super().__init__()
        self.register_buffer("log_table", (torch.stack(list(statistics)) + _TINY).log(), persistent=False)

    def forward(self, actions: Tensor, corner: Tensor, side: float, size: tuple[int, int]) -> Tensor:
        """Compute the coverage of windows (width, height) px of m strokes: (m, 1, height, width).

        actions (m, >= 9) in [0, 1]. corner (m, 2): upper left corner of each window, px from that of the tile. side: of
        the tiles, px.
        """
        centre, variance, height = self._gaussians(actions, side)
        centre = centre - corner[:, None]
        columns = torch.arange(size[0], device=actions.device) + 0.5
        rows = torch.arange(size[1], device=actions.device) + 0.5
        precision = (-0.5 / variance)[..., None]
        across = torch.exp(precision * (columns - centre[..., 0:1]).square())
        down = torch.exp(precision * (rows - centre[..., 1:2]).square()) * height[..., None]
        absorption = torch.bmm(down.transpose(1, 2), across)
        return -torch.expm1(-absorption)[:, None]

    def _gaussians(self, actions: Tensor, side: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return centre (m, k, 2), px from the corner of the tile, variance (m, k), px^2, and height (m, k)."""
        t = (torch.arange(NODES, device=actions.device) + 0.5) / NODES
        centre = stroke_geometry.curve(actions, t) * side
        ends = torch.arange(NODES + 1, device=actions.device) / NODES
        radius = (stroke_geometry.max_radius(actions) * side)[:, None]
        step = stroke_geometry.curve(actions, ends).diff(dim=1) * side
        length = (step.square().sum(-1) + 1e-6).sqrt()
        shape, scatter, per_length, per_time = self._lookup(stroke_geometry.pressure(actions, t))
        # A node stands for the piece of the curve around it, which adds its own variance.
        variance = (shape + scatter) * radius**2 + _PIXEL_VARIANCE + length**2 / 24
        mass = (per_length * length / radius + per_time / NODES) * radius**2
        height = mass / (2 * math.pi * variance)
        return centre, variance, height * _saturation(height, variance, length, shape, scatter)

    def gradient(self, actions: Tensor, place: Place, gradient: Tensor) -> Tensor:
        """Return the gradient (m, A) of actions, for that of their coverages (m, 1, S, S), in batches of strokes."""
        result = torch.zeros_like(actions)
        for batch, corner, (width, height) in self._parts(actions, place):
            rows = (corner[:, 1:] + torch.arange(height, device=corner.device))[:, :, None]
            columns = (corner[:, :1] + torch.arange(width, device=corner.device))[:, None, :]
            part = gradient[batch[:, None, None], 0, rows, columns][:, None]
            with torch.enable_grad():
                inputs = actions[batch].detach().requires_grad_()
                coverage = self(inputs, (corner - place.margin).to(inputs), float(place.side), (width, height))
                (result[batch],) = torch.autograd.grad(coverage, inputs, part)
        return result

    def _parts(self, actions: Tensor, place: Place) -> Iterator[tuple[Tensor, Tensor, tuple[int, int]]]:
        """Yield batches of strokes, and the parts of their patches outside which their coverage is negligible.

        Indices of the strokes (b,), upper left corners of the parts (b, 2) on the patches, and their width and height.
        Strokes are sorted by size, so that those of a batch need parts of about the same size. On a GPU the parts are
        whole patches: sizes would have to be copied to the host.
        """
        patch_size = place.patch_size
        if actions.device.type != "cpu":
            indices = torch.arange(len(actions), device=actions.device)
            for batch in torch.split(indices, max(_MAX_BATCH_PIXELS // patch_size**2, 1)):
                yield batch, torch.zeros_like(batch)[:, None].expand(-1, 2), (patch_size, patch_size)
            return
        boxes = (self._boxes(actions, float(place.side)) + place.margin).clamp(0, patch_size)
        sizes = boxes[:, 2:] - boxes[:, :2]
        for batch in torch.split(sizes.amax(1).argsort(), _BATCH):
            width, height = (max(int(length), 1) for length in sizes[batch].amax(0))
            limits = boxes.new_tensor([patch_size - width, patch_size - height])
            yield batch, boxes[batch, :2].minimum(limits), (width, height)

    @torch.no_grad()
    def _boxes(self, actions: Tensor, side: float) -> Tensor:
        """Return the rectangles outside which the coverages of m strokes are negligible: (m, 4) int64.

        Left, top, right and bottom, px from the corner of the tile.
        """
        centre, variance, _ = self._gaussians(actions, side)
        distance = _NEGLIGIBLE_DEVIATIONS * variance.amax(1, keepdim=True).sqrt()
        return torch.cat([(centre.amin(1) - distance).floor(), (centre.amax(1) + distance).ceil()], dim=1).long()

    def _lookup(self, pressure: Tensor) -> Tensor:
        """Interpolate the statistics at pressures (m, k): (4, m, k)."""
        place = pressure.clamp(0, 1) * (_BINS - 1)
        low = place.detach().floor().clamp(0, _BINS - 2).long()
        table = self.log_table
        assert isinstance(table, Tensor)
        return torch.lerp(table[:, low], table[:, low + 1], place - low).exp()
