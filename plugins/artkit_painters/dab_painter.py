"""Painter that samples the dabs of a stroke: a row of dabs along the curve, each displaced at random.

Two small networks predict the distribution of MyPaint's dabs at a position of a stroke from its features
(`dab_features`): the number of dabs per brush radius along the curve, their random displacement, radius and opacity,
the width of their edges and, for nibs, their shape. A sample of a stroke is drawn from this distribution and rasterized
at any resolution (`artkit_mypaint.dabs`). The networks are trained by the likelihood of recorded dabs
(`artkit_mypaint.dab_recording`).

The mid-edge radius of a dab is the radius of the middle of its fading edge, ``radius * (1 + hardness) / 2``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from artkit_mypaint import stroke_geometry
from artkit_mypaint.brush import MIN_SOFTNESS_PX
from artkit_mypaint.dab_recording import SEGMENTS, DabRecords
from artkit_mypaint.dabs import UPRIGHT, Dabs, rasterize_dabs
from artkit_mypaint.padded_dabs import rasterize_padded_dabs
from artkit_painters.dab_distribution import MAX_DEVIATIONS, DabAppearance, DabDistribution, clamped_normal
from artkit_painters.dab_features import (
    FEATURES,
    LOG_SPEED_FEATURE,
    TYPICAL_LOG_SPEED,
    CurvePositions,
    curve_positions,
)
from artkit_painters.dab_positions import MAX_DABS, DabPositions, longest_strokes, place_dabs, place_padded_dabs
from artkit_painters.weights import Bounds, OptionalCurve, PressureCurve

_HIDDEN_UNITS = 32
_MIN_LOG_STD = -7.0
_MIN_EDGE_WIDTH = 0.02  # of a dab's mid-edge radius: narrower edges count as equal in the loss
_EXTENT_NODES = 17  # points on the curve at which the extent of paint is computed
_CHUNK_STROKES = 256
_CHUNK_PADDED_DABS = 1 << 20  # of strokes that are computed at a time on a CUDA device
_CAPACITY_FACTOR = 1.5  # of the dabs that the longest strokes have, on a CUDA device
_SQUARED_ERROR_WEIGHT = 20.0  # of squared errors relative to negative log-likelihoods


class _Metadata(BaseModel):
    """The metadata of weights, see the arguments of `DabPainter`."""

    softness: Annotated[float, Field(ge=0, le=100)]
    thinnest: Annotated[float, Field(gt=0, le=1)]
    upright: bool
    swell: OptionalCurve
    opacity: PressureCurve
    sizes: Bounds
    farthest: Annotated[float, Field(ge=0, le=100)]


class RecordedDabs(NamedTuple):
    """Recorded dabs relative to their positions on the curve, lengths in px.

    positions: on the curve, in tile units. offset (k, 2): from there. radius (k,): mid-edge. brush_radius (k,): at the
    position. max_brush_radius (k,): at the pressure that makes it largest.
    """

    positions: CurvePositions
    offset: Tensor
    radius: Tensor
    brush_radius: Tensor
    max_brush_radius: Tensor


class DabPainter(nn.Module):
    """Samples of strokes, drawn dab by dab.

    softness: minimum width in px of the dabs' edges (`Brush.softness`). min_radius_ratio: smallest radius of the brush
    over its largest (`Brush.min_radius_ratio`). upright: whether all dabs are round, so that they have no angle.
    pressure_radius_curve: how pressure changes the radius (`stroke_geometry.radius_at_pressure`). opacity_curve:
    opacity of a dab at pressures spaced evenly from 0 to 1. log_radius_range: bounds of the logarithm of the dabs'
    mid-edge radius over the brush's largest radius. max_offset: bound of the dabs' distance from the curve, in largest
    radii.
    """

    def __init__(
        self,
        softness: float = 1.0,
        min_radius_ratio: float = 1.0,
        upright: bool = True,
        pressure_radius_curve: Sequence[float] = (),
        opacity_curve: Sequence[float] = (0.0, 1.0),
        log_radius_range: tuple[float, float] = (-4.0, 2.0),
        max_offset: float = 8.0,
    ) -> None:
        super().__init__()
        self.log_radius_range, self.max_offset = log_radius_range, max_offset
        self.softness, self.min_radius_ratio, self.upright = softness, min_radius_ratio, upright
        self.pressure_radius_curve, self.opacity_curve = tuple(pressure_radius_curve), tuple(opacity_curve)
        self._capacity: int | None = None
        self.row, self.look = _network(FEATURES, 7), _network(FEATURES + 1, 5)
        """Networks that predict `DabDistribution` and `DabAppearance`."""

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> DabPainter:
        """Build an untrained painter from the metadata of weights.

        Raises pydantic.ValidationError if a key is missing or its value is out of range.
        """
        m = _Metadata.model_validate(metadata)
        return cls(m.softness, m.thinnest, m.upright, m.swell, m.opacity, m.sizes, m.farthest)

    def metadata(self) -> dict[str, Any]:
        """Return the arguments of the constructor as `from_metadata` reads them."""
        return {
            "softness": self.softness,
            "thinnest": self.min_radius_ratio,
            "upright": self.upright,
            "swell": self.pressure_radius_curve,
            "opacity": self.opacity_curve,
            "sizes": self.log_radius_range,
            "farthest": self.max_offset,
        }

    def forward(self, actions: Tensor, side: float, margin: int, seeds: Tensor) -> Tensor:
        """Render the patches of m strokes: their tile of `side` px and `margin` px around it.

        actions (m, >= 9), in [0, 1]. seeds (m,), int64, select the sample of each stroke. Returns coverage (m, 1, S, S)
        in [0, 1].
        """
        size = round(side + 2 * margin)
        return self.forward_region(actions, actions.new_full((len(actions), 2), -margin), side, (size, size), seeds)

    def forward_region(
        self, actions: Tensor, corner: Tensor, side: float, size: tuple[int, int], seeds: Tensor
    ) -> Tensor:
        """Render windows of the patches: coverage (m, 1, height, width) for a size (width, height) in px.

        corner (m, 2): upper left of each window, px relative to the tile's.
        """
        render, count = self._render, _CHUNK_STROKES
        if actions.is_cuda:
            render, count = self._render_padded, max(_CHUNK_PADDED_DABS // self.capacity, 1)
        chunks = zip(*(torch.split(values, count) for values in (actions, corner, seeds)), strict=True)
        windows = [render(a, c, s, side, size) for a, c, s in chunks]
        return torch.cat(windows) if windows else actions.new_zeros(0, 1, size[1], size[0])

    def _render(self, actions: Tensor, corner: Tensor, seeds: Tensor, side: float, size: tuple[int, int]) -> Tensor:
        return rasterize_dabs(self.sample_dabs(actions, corner, side, seeds), len(actions), size)

    def _render_padded(
        self, actions: Tensor, corner: Tensor, seeds: Tensor, side: float, size: tuple[int, int]
    ) -> Tensor:
        """`_render` on a CUDA device; intermediate results are computed again for the gradient."""

        def sample(actions: Tensor) -> tuple[Tensor, ...]:
            positions, counts = place_padded_dabs(self._dab_counts(actions), self.capacity)
            return *self._dabs_at(actions, corner, side, seeds, positions), counts

        *dabs, counts = checkpoint(sample, actions, use_reentrant=False, preserve_rng_state=False)
        return rasterize_padded_dabs(Dabs(*dabs), counts, size)

    @property
    def capacity(self) -> int:
        """The number of dabs to which strokes are limited on a CUDA device: half as many again as the longest have."""
        if self._capacity is None:
            count = int(self._dab_counts(longest_strokes().to(next(self.parameters()))).sum(1).max())
            self._capacity = min(round(_CAPACITY_FACTOR * count) + 1, MAX_DABS)
        return self._capacity

    def sample_dabs(self, actions: Tensor, corner: Tensor, side: float, seeds: Tensor) -> Dabs:
        """Sample the dabs of m strokes on tiles of `side` px, in px relative to `corner` (m, 2)."""
        return self._dabs_at(actions, corner, side, seeds, self.dab_positions(actions))

    def dab_positions(self, actions: Tensor) -> DabPositions:
        """Return where the dabs of strokes lie on their curves."""
        return place_dabs(self._dab_counts(actions))

    def _dabs_at(
        self, actions: Tensor, corner: Tensor, side: float, seeds: Tensor, dab_positions: DabPositions
    ) -> Dabs:
        stroke, rank, t = dab_positions
        # An embedding, since the gradient of indexing is a sum whose order is not deterministic.
        actions, corner = F.embedding(stroke, actions), corner[stroke].to(actions)
        positions = self._curve_positions(actions, t)
        distribution, brush_radius = self._predict_distribution(positions.features), positions.brush_radius * side
        max_brush_radius = stroke_geometry.max_radius(actions) * side
        noise_x, noise_y, radius_noise, opacity_noise = clamped_normal(seeds[stroke], rank, actions.dtype)
        offset = distribution.mean_offset(positions.direction) + distribution.offset_std[:, None] * torch.stack(
            [noise_x, noise_y], dim=1
        )
        offset = offset * brush_radius[:, None]
        limit = self.max_offset * max_brush_radius
        offset = offset * (limit / torch.maximum(offset.norm(dim=1), limit))[:, None]
        x, y = (positions.point * side + offset - corner).unbind(1)
        log_radius = self._clamp_log_radius(
            distribution.log_radius + distribution.log_radius_std * radius_noise, brush_radius / max_brush_radius
        )
        appearance = self._predict_appearance(positions.features, log_radius)
        radius, hardness = self._soften(log_radius.exp() * brush_radius, appearance.edge_width, max_brush_radius)
        return Dabs(
            x,
            y,
            radius,
            (appearance.opacity + distribution.opacity_std * opacity_noise).clamp(0, 1),
            hardness,
            appearance.log_aspect.exp(),
            torch.full_like(x, UPRIGHT) if self.upright else torch.atan2(appearance.sin, appearance.cos),
            stroke,
        )

    @torch.no_grad()
    def max_extent(self, actions: Tensor, side: float) -> Tensor:
        """Return how far the paint of strokes may extend beyond their tile of `side` px: (m,) px."""
        m = len(actions)
        t = torch.linspace(0, 1, _EXTENT_NODES, device=actions.device, dtype=actions.dtype)
        nodes = stroke_geometry.curve(actions, t)
        half_gap = nodes.diff(dim=1).square().sum(-1).sqrt().amax(1) / 2
        positions = self._curve_positions(actions.repeat_interleave(_EXTENT_NODES, 0), t.repeat(m))
        predicted = self._predict_distribution(positions.features)
        distribution = DabDistribution(*(values.view(m, _EXTENT_NODES) for values in predicted))
        brush_radius = positions.brush_radius.view(m, _EXTENT_NODES)
        max_brush_radius = stroke_geometry.max_radius(actions)[:, None]
        max_offset = torch.minimum(
            (distribution.tangent_offset.hypot(distribution.normal_offset) + MAX_DEVIATIONS * distribution.offset_std)
            * brush_radius,
            self.max_offset * max_brush_radius,
        )
        max_log_radius = self._clamp_log_radius(
            distribution.log_radius + MAX_DEVIATIONS * distribution.log_radius_std, brush_radius / max_brush_radius
        )
        # An edge is at most twice as wide as the mid-edge radius, and half of it lies beyond that radius.
        beyond = torch.maximum(-nodes, nodes - 1).amax(-1) + max_offset + 2 * max_log_radius.exp() * brush_radius
        return (beyond.amax(1) + half_gap) * side + self.softness / 2 + 1

    def negative_log_likelihood(self, records: DabRecords, dabs: Tensor, strokes: Tensor) -> dict[str, Tensor]:
        """Compute the losses of recorded dabs and strokes by name.

        dabs (k,), strokes (m,): indices into the records. The losses are mean negative log-likelihoods up to constants,
        and the weighted squared error of what is deterministic (`look`).
        """
        dab = records.dabs.subset(dabs)
        recorded = self._relate_to_curve(records, dab, records.t[dabs])
        positions = recorded.positions
        distribution = self._predict_distribution(positions.features)
        log_radius = (recorded.radius / recorded.brush_radius).log()
        offset = recorded.offset / recorded.brush_radius[:, None] - distribution.mean_offset(positions.direction)
        appearance = self._predict_appearance(positions.features, log_radius)
        radius, hardness = self._soften(recorded.radius, appearance.edge_width, recorded.max_brush_radius)
        min_width = _MIN_EDGE_WIDTH * recorded.radius
        predicted_width, recorded_width = (
            torch.maximum(r * (1 - h), min_width) for r, h in ((radius, hardness), (dab.radius, dab.hardness))
        )
        edge, aspect = (predicted_width / recorded_width).log(), appearance.log_aspect - dab.aspect.log()
        cos, sin = appearance.cos - dab.angle.cos(), appearance.sin - dab.angle.sin()
        squared_error = edge.square() + aspect.square() + cos.square() + sin.square()
        log_density, lengths = self._segment_densities(records.actions[strokes])
        dab_count = log_density.exp() * lengths
        return {
            "place": (
                0.5 * (offset / distribution.offset_std[:, None]).square().sum(1) + 2 * distribution.offset_std.log()
            ).mean(),
            "radius": _gaussian_loss(log_radius - distribution.log_radius, distribution.log_radius_std),
            "opacity": _gaussian_loss(dab.opacity - appearance.opacity, distribution.opacity_std),
            "look": _SQUARED_ERROR_WEIGHT * squared_error.mean(),
            "number": (dab_count - records.counts[strokes] * (log_density + lengths.log())).mean(),
        }

    @torch.no_grad()
    def set_limits(self, records: DabRecords) -> None:
        """Limit the radii and offsets of sampled dabs to the range of recorded ones."""
        recorded = self._relate_to_curve(records, records.dabs, records.t)
        log_radius = (recorded.radius / recorded.max_brush_radius).log()
        self.log_radius_range = float(log_radius.min()), float(log_radius.max())
        self.max_offset = float((recorded.offset.norm(dim=1) / recorded.max_brush_radius).max())

    def _curve_positions(self, actions: Tensor, t: Tensor) -> CurvePositions:
        return curve_positions(actions, t, self.pressure_radius_curve, self.opacity_curve)

    def _predict_distribution(self, features: Tensor) -> DabDistribution:
        predicted = DabDistribution(*self.row(features).unbind(-1))
        offset_std, log_radius_std, opacity_std = (
            log_std.clamp(min=_MIN_LOG_STD).exp()
            for log_std in (predicted.offset_std, predicted.log_radius_std, predicted.opacity_std)
        )
        return predicted._replace(offset_std=offset_std, log_radius_std=log_radius_std, opacity_std=opacity_std)

    def _predict_appearance(self, features: Tensor, log_radius: Tensor) -> DabAppearance:
        outputs = self.look(torch.cat([features, log_radius[:, None]], dim=1))
        opacity, edge_width, log_aspect, cos, sin = outputs.unbind(1)
        if self.upright:
            log_aspect, cos, sin = torch.zeros_like(log_aspect), torch.zeros_like(cos), torch.full_like(sin, -1.0)
        else:
            log_aspect = F.softplus(log_aspect)
        return DabAppearance(torch.sigmoid(opacity), 2 * torch.sigmoid(edge_width), log_aspect, cos, sin)

    def _clamp_log_radius(self, log_radius: Tensor, radius_ratio: Tensor) -> Tensor:
        """Clamp to `log_radius_range`. radius_ratio: the brush's radius over its largest, to which the range refers."""
        return (log_radius + radius_ratio.log()).clamp(*self.log_radius_range) - radius_ratio.log()

    def _soften(self, radius: Tensor, edge_width: Tensor, max_brush_radius: Tensor) -> tuple[Tensor, Tensor]:
        """Compute radius and hardness of dabs of a mid-edge radius in px, with the minimum edge width of the brush.

        MyPaint fades edges over at least `softness` px, which is limited to the width of the stroke where it is
        thinnest.
        """
        min_width = (max_brush_radius * self.min_radius_ratio).clamp(min=MIN_SOFTNESS_PX).clamp(max=self.softness)
        half_width = torch.maximum(edge_width * radius, min_width) / 2
        return radius + half_width, (radius - half_width) / (radius + half_width)

    def _relate_to_curve(self, records: DabRecords, dabs: Dabs, t: Tensor) -> RecordedDabs:
        """Compare recorded dabs with their positions t (k,) on the curves of their strokes."""
        actions, side = records.actions[dabs.stroke], records.sides[dabs.stroke]
        positions = self._curve_positions(actions, t)
        return RecordedDabs(
            positions,
            torch.stack([dabs.x, dabs.y], dim=1) - positions.point * side[:, None],
            dabs.radius * (1 + dabs.hardness) / 2,
            positions.brush_radius * side,
            stroke_geometry.max_radius(actions) * side,
        )

    def _segment_densities(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return log density (`DabDistribution`) and length in brush radii of the segments, (m, SEGMENTS) each."""
        m = len(actions)
        t = (torch.arange(SEGMENTS, device=actions.device, dtype=actions.dtype) + 0.5) / SEGMENTS
        positions = self._curve_positions(actions.repeat_interleave(SEGMENTS, 0), t.repeat(m))
        speed = (positions.features[:, LOG_SPEED_FEATURE] + TYPICAL_LOG_SPEED).exp()
        lengths = speed / (SEGMENTS * stroke_geometry.REFERENCE_SIDE) / positions.brush_radius
        log_density = self._predict_distribution(positions.features).log_density
        return log_density.view(m, SEGMENTS), lengths.view(m, SEGMENTS)

    @torch.no_grad()
    def _dab_counts(self, actions: Tensor) -> Tensor:
        """Return the expected number of dabs on each segment, (m, SEGMENTS)."""
        log_density, lengths = self._segment_densities(actions)
        return log_density.exp() * lengths


def _network(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Linear(inputs, _HIDDEN_UNITS), nn.SiLU()),
        *(nn.Linear(_HIDDEN_UNITS, _HIDDEN_UNITS), nn.SiLU()),
        nn.Linear(_HIDDEN_UNITS, outputs),
    )


def _gaussian_loss(error: Tensor, std: Tensor) -> Tensor:
    return (0.5 * (error / std).square() + std.log()).mean()
