"""Painter of the mean coverage of a stroke, from where each pixel lies relative to the stroke's curve.

For each cell of a few px, the features (`geometry_features`) are computed differentiably from the action: the offset
from the nearest point of the curve in brush radii, the pressure there, the lengths along the curve to its ends, and how
much ink a brush that scatters its dabs would leave. A small network, the same for every cell, predicts how much solid
paint the brush leaves, how densely it scatters its dabs, and how both change across the curve, which distinguishes the
pixels of a cell. The dabs' positions are random; what is rendered is the mean over them (`dab_scattering`).

No cell depends on its neighbours: the painter renders any window at any resolution, and computes only the blocks of
cells that the brush reaches (`cell_blocks`).
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
from artkit_mypaint.brush_settings import DabSettings
from artkit_painters import cell_blocks
from artkit_painters.cell_blocks import BLOCK, patch_size, reached_blocks
from artkit_painters.dab_scattering import neg_log_mean_square_transmittance, neg_log_mean_transmittance
from artkit_painters.geometry_features import (
    CELL,
    FEATURES,
    INITIAL_SCATTER,
    BrushFootprint,
    CellFeatures,
    cell_centres,
    cell_features,
    cell_grid,
    curve_ink,
    stroke_parameters,
    window_features,
)
from artkit_painters.weights import Bounds, OptionalCurve, PressureCurve

DEFAULT_DAB = DabSettings(hardness=0.5, log_radius_std=0.0, opacity=(0.0, 1.0))

_CHUNK_STROKES = 256
_CHUNK_CELLS = 1 << 16  # cells computed at a time: their intermediate results stay in the processor's cache
_CHUNK_GPU_CELLS = 1 << 20  # cells of `CELL` px that are computed at a time on a CUDA device
_MAX_STORED_STROKES = 1024  # of more strokes, intermediate results are computed again for the gradient


class CellPaint(NamedTuple):
    """Paint at c cells of each of b strokes.

    uncovered (c, b, k): the share of each pixel that solid paint leaves uncovered. density (c, b): dabs per square
    brush radius. opacity (c, b): of the dabs. density_factor (c, b, k): factor of the density at each pixel. gate (c,
    b): that of the features.
    """

    uncovered: Tensor
    density: Tensor
    opacity: Tensor
    density_factor: Tensor
    gate: Tensor


class _Metadata(BaseModel):
    """The metadata of weights, see the arguments of `GeometryPainter`."""

    channels: Annotated[int, Field(ge=1, le=1024)]
    reach: Bounds
    swell: OptionalCurve
    dab: tuple[Annotated[float, Field(gt=0, lt=1)], Annotated[float, Field(ge=0, le=2)], PressureCurve]
    by_chance: bool = True


class GeometryPainter(nn.Module):
    """Mean coverage of strokes from their shape.

    channels: width of the network. extent: distance from the curve in brush radii (plus `FADE_PX`) beyond which there
    is no paint, at pressure 0, and its increase at pressure 1. pressure_radius_curve: how pressure changes the radius
    (`stroke_geometry.radius_at_pressure`). dab: settings of the brush's dabs. stochastic: whether two strokes of one
    action differ; if not, there are no scattered dabs.
    """

    def __init__(
        self,
        channels: int = 32,
        extent: tuple[float, float] = (2.0, 2.0),
        pressure_radius_curve: Sequence[float] = (),
        dab: DabSettings = DEFAULT_DAB,
        stochastic: bool = True,
    ) -> None:
        super().__init__()
        self.extent, self.pressure_radius_curve = extent, tuple(pressure_radius_curve)
        self.dab, self.stochastic = dab, stochastic
        self.spread = nn.Parameter(torch.tensor(INITIAL_SCATTER))
        """`BrushFootprint.scatter`."""
        self.enter = nn.Linear(FEATURES, channels)
        self.modulate = nn.Sequential(nn.Linear(6, 32), nn.SiLU(), nn.Linear(32, 2 * channels))
        self.middle = nn.Linear(channels, channels)
        self.leave = nn.Linear(channels, 5)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> GeometryPainter:
        """Build an untrained painter from the metadata of weights.

        Raises pydantic.ValidationError if a key is missing or its value is out of range.
        """
        m = _Metadata.model_validate(metadata)
        return cls(m.channels, m.reach, m.swell, DabSettings(*m.dab), m.by_chance)

    def metadata(self) -> dict[str, Any]:
        """Return the arguments of the constructor as `from_metadata` reads them."""
        return {
            "channels": self.middle.in_features,
            "reach": self.extent,
            "swell": self.pressure_radius_curve,
            "dab": self.dab,
            "by_chance": self.stochastic,
        }

    @property
    def footprint(self) -> BrushFootprint:
        """How far from the curve the brush leaves paint."""
        return BrushFootprint(self.extent, self.pressure_radius_curve, self.spread)

    def forward(self, actions: Tensor, side: float, margin: int) -> Tensor:
        """Render the patches of m strokes: their tile of `side` px and `margin` px around it.

        actions (m, >= 9), in [0, 1]. Returns coverage (m, 1, S, S) in [0, 1] with S = `patch_size(side, margin)`.
        """
        size = patch_size(side, margin)
        return self.forward_region(actions, actions.new_full((len(actions), 2), -margin), side, (size, size))

    def forward_region(self, actions: Tensor, corner: Tensor, side: float, size: tuple[int, int]) -> Tensor:
        """Render windows of the patches: coverage (m, 1, height, width) for a size (width, height) in px.

        corner (m, 2): upper left of each window, px relative to the tile's. Size and corner are multiples of `BLOCK`,
        so that cells have the same positions in all windows.
        """
        if actions.is_cuda:
            return self._whole_regions(actions, corner, side, size)
        m, (width, height) = len(actions), size
        recompute = m > _MAX_STORED_STROKES and torch.is_grad_enabled()
        positions, blocks = [], []
        for cell, indices in cell_blocks.group_by_cell_size(self.footprint, actions, side):
            for chunk in torch.split(indices, _CHUNK_STROKES):
                arguments = (actions[chunk], corner[chunk], side, size, cell)
                (stroke, *row_column), coverage = (
                    checkpoint(self._blocks, *arguments, use_reentrant=False, preserve_rng_state=False)
                    if recompute
                    else self._blocks(*arguments)
                )
                positions.append(torch.stack([chunk[stroke], *row_column]))
                blocks.append(coverage)
        # Patches laid out as blocks. This is not a view, since writing into a view copies its gradient.
        shape = (m, height // BLOCK, width // BLOCK, BLOCK, BLOCK)
        strides = (height * width, BLOCK * width, BLOCK, width, 1)
        patches = torch.empty_strided(shape, strides, dtype=actions.dtype, device=actions.device).zero_()
        if blocks:
            patches.index_put_(torch.cat(positions, dim=1).unbind(), torch.cat(blocks))
        return patches.transpose(2, 3).view(m, 1, height, width)

    def _whole_regions(self, actions: Tensor, corner: Tensor, side: float, size: tuple[int, int]) -> Tensor:
        """`forward_region` on a CUDA device: all cells, since the number of those that the brush reaches depends on the
        strokes.

        Intermediate results of more than one chunk are computed again for the gradient.
        """

        def render(actions: Tensor, corner: Tensor) -> Tensor:
            def compute(cell: int, _: Tensor) -> Tensor:
                paint = self._paint_windows(actions, corner, side, size, cell)
                return _unfold(self._coverage(paint), size, cell)[None]

            return cell_blocks.compute_by_cell_size(self.footprint, actions, side, compute)[0]

        count = max(_CHUNK_GPU_CELLS * CELL**2 // (size[0] * size[1]), 1)
        chunks = list(zip(torch.split(actions, count), torch.split(corner, count), strict=True))
        if len(chunks) == 1:
            return render(*chunks[0])
        return torch.cat(
            [checkpoint(render, *chunk, use_reentrant=False, preserve_rng_state=False) for chunk in chunks]
        )

    def moments(self, actions: Tensor, corner: Tensor, side: float, size: int) -> tuple[Tensor, Tensor]:
        """Compute the means of the coverage and of its square over all samples, (m, 1, size, size) each.

        The windows are square (see `forward_region`). All cells are computed, whether the brush reaches them or not.
        """

        def compute(cell: int, indices: Tensor) -> Tensor:
            paint = self._paint_windows(actions[indices], corner[indices], side, (size, size), cell)
            first, second = (
                torch.exp(-neg_log(paint.density, paint.opacity, self.dab)[..., None] * paint.density_factor)
                for neg_log in (neg_log_mean_transmittance, neg_log_mean_square_transmittance)
            )
            square = (1 + paint.uncovered * (paint.uncovered * second - 2 * first)) * paint.gate[..., None].square()
            return torch.stack([_unfold(values, (size, size), cell) for values in (self._coverage(paint), square)])

        mean, square = cell_blocks.compute_by_cell_size(self.footprint, actions, side, compute)
        return mean, square

    def _paint_windows(
        self, actions: Tensor, corner: Tensor, side: float, size: tuple[int, int], cell: int
    ) -> CellPaint:
        """Compute the paint at all cells of windows, row by row."""
        features = window_features(self.footprint, actions, corner, side, size, cell)
        return self._predict(features, self._modulation(stroke_parameters(actions, side)))

    def max_extent(self, actions: Tensor, side: float) -> Tensor:
        """Return how far the paint of strokes extends beyond their tile of `side` px: (m,) px."""
        return cell_blocks.max_extent(self.footprint, actions, side)

    def _blocks(
        self, actions: Tensor, corner: Tensor, side: float, size: tuple[int, int], cell: int
    ) -> tuple[Tensor, Tensor]:
        """Compute the blocks of windows that the brush reaches, in cells of `cell` px.

        Returns their stroke, row and column (3, k), and the coverage (k, BLOCK, BLOCK).
        """
        m, columns, rows, cells = len(actions), size[0] // BLOCK, size[1] // BLOCK, BLOCK // cell
        footprint = self.footprint
        reached = reached_blocks(footprint, actions, corner, side, size, cell)
        if not reached.numel():
            return reached, actions.new_zeros(0, BLOCK, BLOCK)
        parameters = stroke_parameters(actions, side)
        modulation = self._modulation(parameters)
        across, down = cell_centres(actions, corner, size, cell)
        inks = curve_ink(footprint, actions, side, across, down).view(-1, m, rows, cells, columns, cells)
        inks = inks[:, reached[0], reached[1], :, reached[2]].permute(1, 2, 3, 0).flatten(1, 2)
        across, down = across.view(m, columns, cells), down.view(m, rows, cells)
        chunk_blocks = _CHUNK_CELLS // cells**2
        chunks = []
        for positions, ink in zip(
            torch.split(reached, chunk_blocks, 1), torch.split(inks, chunk_blocks, 2), strict=True
        ):
            stroke, row, column = positions
            x, y = cell_grid(across[stroke, column], down[stroke, row])
            # Embeddings, since the gradient of indexing is a sum whose order is not deterministic.
            own_parameters = F.embedding(stroke, parameters.t()).t().contiguous()[:, None]
            features = cell_features(footprint, own_parameters, ink, x, y, cell)
            chunks.append(self._coverage(self._predict(features, F.embedding(stroke, modulation))))
        return reached, _unfold(torch.cat(chunks, dim=1), (BLOCK, BLOCK), cell)[:, 0]

    def _modulation(self, parameters: Tensor) -> Tensor:
        """Compute gains and shifts (m, 2 channels) from the parameters (10, m) of strokes (`stroke_parameters`)."""
        bend, radius, start, end, length = parameters[:2], parameters[6], parameters[7], parameters[8], parameters[9]
        curvature = (bend.square().sum(0) + 1e-6).sqrt() / length
        inputs = [radius.log() - 1, start * 2 - 1, end * 2 - 1, (length / radius / 8).clamp(max=3) - 1, curvature - 0.5]
        modulation: Tensor = self.modulate(torch.stack([*inputs, (length + 1).log() - 3], dim=1))
        return modulation

    def _predict(self, features: CellFeatures, modulation: Tensor) -> CellPaint:
        """Apply the network to cells; modulation (b, 2 channels)."""
        gain, shift = modulation.chunk(2, dim=-1)
        h = self.enter(features.features.flatten(1).t()).view(*features.gate.shape, -1)
        output = self.leave(F.silu(self.middle(F.silu(torch.addcmul(shift, h, gain + 1)))))
        across = features.across
        solid_logit = output[..., 0:1] - 4 + across * (output[..., 1:2] + output[..., 2:3] * across)
        density = (2 * output[..., 3]).clamp(-8, 3).exp()
        return CellPaint(
            uncovered=torch.sigmoid(-solid_logit),
            density=density if self.stochastic else density * 0,
            opacity=stroke_geometry.interpolate_at_pressure(features.pressure, self.dab.opacity),
            density_factor=(output[..., 4:5] * across).clamp(-3, 3).exp(),
            gate=features.gate,
        )

    def _coverage(self, paint: CellPaint) -> Tensor:
        """Mean coverage (c, b, k) of the pixels of cells."""
        neg_log = neg_log_mean_transmittance(paint.density, paint.opacity, self.dab)[..., None]
        # A pixel is uncovered where light passes both the solid paint and the dabs.
        return (1 - paint.uncovered * torch.exp(-neg_log * paint.density_factor)) * paint.gate[..., None]


def _unfold(values: Tensor, size: tuple[int, int], cell: int) -> Tensor:
    """Rearrange values (c, b, cell ** 2) of the pixels of windows' cells to windows (b, 1, height, width)."""
    width, height = size
    cells = values.view(height // cell, width // cell, -1, cell, cell)
    return cells.permute(2, 0, 3, 1, 4).reshape(-1, 1, height, width)
