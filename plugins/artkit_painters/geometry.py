"""A painter that knows its geometry: the coverage of a stroke from where each pixel lies beside the stroke's curve.

For each point of a grid of half the resolution, differentiably from the action: the nearest point of the curve and the
offset from it in brush radii, pressure there, and how much ink a brush that scatters its dabs would leave. A few small
convolutions, modulated by the action, turn these into coverage, and a pixel shuffle doubles the resolution. The network
is fully convolutional, and vanishes where the brush cannot reach, so it may paint any window at any resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from artkit_painters import stroke

SEGMENTS = 10
"""Straight pieces a curve is measured with."""

FEATURES = 14
CELL = 2
"""Pixels a side of a grid cell."""

REACH_PX = 2.0
"""Pixels beyond the brush's reach in which the paint fades to nothing."""

_BUCKETS = (2, 3, 4, 5, 6, 8, 10, 12)
"""Sides of the windows in which strokes are computed, in twelfths of the sheet's: most strokes are small."""

_CELLS = 1 << 15  # grid cells that are computed at a time: what they take stays near the processor
_KEPT = 1 << 20  # cells whose way to the coverage is kept for the gradient; of more, it is computed again


class GeometryPainter(nn.Module):
    """Coverage of strokes from their shape.

    noise: maps of white noise beside the features, from which an adversarially trained painter makes the grain of the
    brush; 0 for a painter that gives the mean. channels: width. reach: brush radii (and `REACH_PX` more) from the curve
    beyond which there is no paint.
    """

    def __init__(self, noise: int = 4, channels: int = 16, reach: float = 4.0) -> None:
        super().__init__()
        self.noise, self.reach = noise, reach
        self.enter = nn.Conv2d(FEATURES + noise, channels, 1)
        self.convolutions = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3))
        self.modulate = nn.Sequential(
            nn.Linear(stroke.SHAPE, 64), nn.SiLU(), nn.Linear(64, 2 * channels * len(self.convolutions))
        )
        self.leave = nn.Conv2d(channels, CELL * CELL, 1)

    def forward(self, actions: Tensor, side: float, margin: int, seeds: Tensor) -> Tensor:
        """The sheets of m strokes: their tile of `side` px and `margin` px (even) around it.

        actions (m, >= 9) in [0, 1]; seeds (m,) int64, which choose the grain -> (m, 1, S, S) in [0, 1] with
        S = side + 2 margin, made even. Each stroke is computed in a window just large enough for it; since paint and
        all that leads to it vanish beyond the brush's reach, that changes nothing.
        """
        sheet = sheet_size(side, margin)
        low, size = self._extent(actions, side, margin, sheet)
        chosen_of: dict[int, Tensor] = {}
        for bucket in _BUCKETS:
            window = -(-sheet * bucket // (_BUCKETS[-1] * CELL)) * CELL
            fits = size <= window
            if len(chosen := fits.nonzero()[:, 0]):
                chosen_of[window] = chosen
            size = size.masked_fill(fits, 1 << 30)
        cells = sum(len(chosen) * (window // CELL) ** 2 for window, chosen in chosen_of.items())
        again = cells > _KEPT and torch.is_grad_enabled()
        out = actions.new_zeros(len(actions), 1, sheet, sheet)
        pieces: list[Tensor] = []
        order: list[Tensor] = []
        for window, chosen in chosen_of.items():
            for some in torch.split(chosen, max(1, _CELLS * CELL * CELL // window**2)):
                corner = low[some].clamp(max=sheet - window)
                arguments = (actions[some], corner - margin, side, window, seeds[some])
                piece = (
                    checkpoint(self.window, *arguments, use_reentrant=False, preserve_rng_state=False)
                    if again
                    else self.window(*arguments)
                )
                span = torch.arange(window, device=actions.device)
                rows = some[:, None] * sheet + corner[:, 1, None] + span
                pixel = rows[:, :, None] * sheet + (corner[:, 0, None] + span)[:, None]
                pieces.append(piece.flatten())
                order.append(pixel.flatten())
        painted = out.flatten().index_put((torch.cat(order),), torch.cat(pieces)) if pieces else out
        return painted.view_as(out)

    def _extent(self, actions: Tensor, side: float, margin: int, sheet: int) -> tuple[Tensor, Tensor]:
        """Upper left (m, 2) and side (m,) in px of the square that holds all paint of a stroke, cut at its sheet."""
        with torch.no_grad():
            t = torch.linspace(0, 1, SEGMENTS + 1, device=actions.device, dtype=actions.dtype)
            nodes = stroke.curve(actions, t) * side + margin
            reach = (self.reach * stroke.radius(actions) * side + REACH_PX)[:, None]
            low = ((nodes.amin(1) - reach) / CELL).floor().clamp(min=0).long() * CELL
            high = (nodes.amax(1) + reach).ceil().clamp(max=sheet).long()
            return low.clamp(max=sheet - CELL), (high - low).amax(1)

    def window(self, actions: Tensor, corner: Tensor, side: float, size: int, seeds: Tensor) -> Tensor:
        """The windows of `size` px whose upper left lies at `corner` (m, 2), px from the tile's, even ones."""
        features, gate = geometry(actions, corner, side, size // CELL, self.reach)
        if self.noise:
            features = torch.cat([features, grain(seeds, corner // CELL, size // CELL, self.noise, features)], dim=1)
        return self.paint(features, gate, actions)

    def paint(self, features: Tensor, gate: Tensor, actions: Tensor) -> Tensor:
        """Coverage from features (m, FEATURES + noise, h, w) and gate (m, 1, h, w): (m, 1, 2 h, 2 w)."""
        x = F.silu(self.enter(features)) * gate
        changes = self.modulate(actions[:, : stroke.SHAPE] * 2 - 1).chunk(2 * len(self.convolutions), dim=1)
        for index, convolution in enumerate(self.convolutions):
            gain, shift = changes[2 * index : 2 * index + 2]
            x = x + F.silu(convolution(x) * (1 + gain[:, :, None, None]) + shift[:, :, None, None]) * gate
        return F.pixel_shuffle(torch.sigmoid(self.leave(x) - 2.0) * gate, CELL)


def sheet_size(side: float, margin: int) -> int:
    """Side in px, even, of the sheet that holds a tile of `side` px and a margin around it."""
    return -(-round(side + 2 * margin) // CELL) * CELL


def grain(seeds: Tensor, corner: Tensor, cells: int, maps: int, like: Tensor) -> Tensor:
    """White noise, uniform with unit variance, as a function of each stroke's seed and the cell alone.

    seeds (m,) int64, corner (m, 2) in cells -> (m, maps, cells, cells), dtype of `like`.
    """
    span = torch.arange(cells, device=seeds.device)
    x, y = corner[:, 0, None, None, None] + span, corner[:, 1, None, None, None] + span[:, None]
    z = torch.arange(maps, device=seeds.device)[:, None, None]
    # 32-bit integer hash (Wellons' lowbias32) of the four numbers, kept in int64 for lack of unsigned integers.
    h = (seeds[:, None, None, None] * 0x9E3779B1 + x * 0x85EBCA6B + y * 0xC2B2AE35 + z * 0x27D4EB2F) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 0x21F0AAAD) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 0x735A2D97) & 0xFFFFFFFF
    h = h ^ (h >> 15)
    return (h.to(like.dtype) * (2 / 0xFFFFFFFF) - 1) * 3**0.5


def geometry(actions: Tensor, corner: Tensor, side: float, cells: int, reach: float) -> tuple[Tensor, Tensor]:
    """The features (m, FEATURES, cells, cells) of strokes in a window, and the gate (m, 1, cells, cells): 1 near the
    curve, 0 beyond the reach of the brush.
    """
    m, device, dtype = len(actions), actions.device, actions.dtype
    radius = (stroke.radius(actions) * side)[:, None, None]  # px, (m, 1, 1)
    t = torch.linspace(0, 1, SEGMENTS + 1, device=device, dtype=dtype)
    nodes = stroke.curve(actions, t) * side - corner.to(dtype)[:, None]  # (m, k + 1, 2), px from the window's corner
    start, ahead = nodes[:, :-1], nodes[:, 1:] - nodes[:, :-1]
    length = ahead.square().sum(-1).add(1e-6).sqrt()  # (m, k)
    along = ahead / length[..., None]
    centre = torch.arange(cells, device=device, dtype=dtype) * CELL + CELL / 2
    py, px = centre[:, None].expand(cells, cells), centre[None, :].expand(cells, cells)

    def of_cells(value: Tensor) -> Tensor:
        return value[:, :, None, None]

    # Where each cell lies beside each piece: `ahead_by` along it, `beside` across it.
    dx, dy = px - of_cells(start[..., 0]), py - of_cells(start[..., 1])  # (m, k, cells, cells)
    tx, ty = of_cells(along[..., 0]), of_cells(along[..., 1])
    ahead_by = dx * tx + dy * ty
    beside = dy * tx - dx * ty
    with torch.no_grad():
        beyond = ahead_by - torch.minimum(ahead_by.clamp(min=0), of_cells(length))
        nearest = (beyond.square() + beside.square()).argmin(dim=1, keepdim=True)

    def of_nearest(value: Tensor) -> Tensor:
        return value.gather(1, nearest.flatten(1)).view(m, cells, cells)

    # The same for the nearest piece alone, which is all that most features need a gradient of.
    piece_length, along_x, along_y = of_nearest(length), of_nearest(along[..., 0]), of_nearest(along[..., 1])
    near_x, near_y = px - of_nearest(start[..., 0]), py - of_nearest(start[..., 1])
    a = near_x * along_x + near_y * along_y
    across = near_y * along_x - near_x * along_y
    foot = torch.minimum(a.clamp(min=0), piece_length)
    offset_x, offset_y = near_x - foot * along_x, near_y - foot * along_y
    distance = (offset_x.square() + offset_y.square() + 1e-6).sqrt()
    # Beyond the ends of the curve there is a way along it; at a joint of two pieces there is none, only a side.
    last = nearest[:, 0] == SEGMENTS - 1
    beyond_end = ((nearest[:, 0] == 0) & (a < 0)) | (last & (a > piece_length))
    u = torch.where(beyond_end, a - foot, 0.0)
    # Beyond a joint two pieces are equally near; the mean of their directions tells the side, whichever was found.
    with torch.no_grad():
        before, after = (nearest[:, 0] > 0) & (a < 0), ~last & (a > piece_length)
        other = nearest + after[:, None].long() - before[:, None].long()

        def of_other(value: Tensor) -> Tensor:
            return value.gather(1, other.flatten(1)).view(m, cells, cells)

        joint = before | after
        tangent_x = along_x + torch.where(joint, of_other(along[..., 0]), 0.0)
        tangent_y = along_y + torch.where(joint, of_other(along[..., 1]), 0.0)
        hand = (offset_y * tangent_x - offset_x * tangent_y).sign()
    v = torch.where(beyond_end, across, distance * hand)
    t_foot = (nearest[:, 0] + foot / piece_length) / SEGMENTS
    pressure = stroke.pressure(actions, t_foot)
    travelled = length.cumsum(1)
    done = of_nearest(travelled - length) + foot
    left = travelled[:, -1, None, None] - done

    # Ink of a brush that scatters its dabs about the curve: the line integral of a Gaussian (§ scatter grows with
    # pressure), exact on each piece, summed over the pieces, so that a curve that crosses itself gets its paint twice.
    middle_pressure = stroke.pressure(actions, (t[:-1] + t[1:]) / 2)  # (m, k)
    spread = of_cells((0.4 + 1.2 * middle_pressure) * radius[:, :, 0])
    scale = spread * 2**0.5
    ink = torch.exp(-(beside / scale).square()) * (
        torch.erf(ahead_by / scale) - torch.erf((ahead_by - of_cells(length)) / scale)
    )
    ink = (ink * of_cells(middle_pressure) / (0.5 + middle_pressure)[:, :, None, None]).sum(1)

    ratio = distance / radius
    features = torch.stack(
        [
            ratio.clamp(max=5) / 2,
            torch.exp(-0.5 * ratio.square()),
            torch.exp(-0.125 * distance.square()),
            (u / radius).clamp(-4, 4) / 2,
            (v / radius).clamp(-4, 4) / 2,
            (offset_x / radius).clamp(-4, 4) / 2,
            (offset_y / radius).clamp(-4, 4) / 2,
            pressure,
            (ratio / (0.3 + pressure)).clamp(max=6) / 3,
            torch.log(radius).expand_as(ratio) - 1,
            (done / radius).clamp(max=8) / 4 - 1,
            (left / radius).clamp(max=8) / 4 - 1,
            ink,
            torch.exp(-ink),
        ],
        dim=1,
    )
    gate = ((reach * radius + REACH_PX - distance) / REACH_PX).clamp(0, 1)
    return features, gate[:, None]
