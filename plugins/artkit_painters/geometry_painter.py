"""A painter that knows its geometry: the mean coverage of a stroke from where each pixel lies beside its curve.

For each cell of a few pixels, differentiably from the action: the nearest point of the curve and the offset from
it in brush radii, pressure there, way to the curve's ends, and how much ink a brush that scatters its dabs would leave.
A small network, the same at every cell, makes of these what the brush does there: how much paint it leaves for
certain, how densely it scatters its dabs, and how opaque they are; and how that changes across the curve, which tells
the cell's pixels apart. Where the dabs fall is chance; what is painted is the mean of all that may happen
(`artkit_painters.dab_scattering`). Nothing depends on a neighbour: the painter may paint any window at any resolution, and
paints only the blocks of cells that the brush can reach.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from artkit_mypaint import stroke_geometry
from artkit_painters.dab_scattering import DabShape, expected, expected_square
from artkit_painters.nearest_point import nearest_point

FEATURES = 17
CELL = 2
"""Pixels a side of a cell."""

BLOCK = 4
"""Pixels a side of a cell of a soft and broad stroke, and of a block, the unit in which is chosen what to paint."""

REACH_PX = 2.0
"""Pixels beyond the brush's reach at which its paint has faded to nothing."""

FLAT = 0.7
"""The share of the brush's reach over which its paint is not held back at all."""

DAB = DabShape(0.5)
"""The dabs of a brush that is not told of."""

_SOFT = 2.0  # brush radii: paint that reaches farther is scattered so wide that its mean has no edges; of such brushes
_BROAD = 2.5  # strokes of so large a radius, px, have cells of a whole block
_POINTS = 33  # of the curve, from which is found how far its paint reaches
_TURNING = 0.1  # of the mean speed along a curve: slower than that it has no direction
_NODES = 24  # pieces of the curve in the sum over all ink
_STROKES = 256  # strokes, and
_CELLS = 1 << 16  # cells that are computed at a time: what they take stays near the processor
_KEPT = 1024  # strokes of which all that leads to the coverage is kept for the gradient; of more, it is computed again


class Sight(NamedTuple):
    """What a painter knows of c cells of each of b strokes.

    features (FEATURES, c, b). gate (c, b): 1 near the curve, falling to 0 at the reach of the brush. across (c, b, k):
    how far each of a cell's k pixels, row by row, lies from the cell's centre, in brush radii, away from the curve.
    pressure (c, b): at the nearest point of the curve.
    """

    features: Tensor
    gate: Tensor
    across: Tensor
    pressure: Tensor

    def maps(self) -> tuple[Tensor, Tensor]:
        """Features (m, FEATURES, s, s) and gate (m, 1, s, s) as maps, where the cells are those of square windows."""
        side = math.isqrt(self.gate.shape[0])
        features, gate = (
            values.permute(2, 0, 1).reshape(values.shape[2], -1, side, side).contiguous()
            for values in (self.features, self.gate[None])
        )
        return features, gate


class Marks(NamedTuple):
    """What a brush does at c cells of each of b strokes.

    bare (c, b, k): the share of each pixel that its certain paint leaves bare. density (c, b): dabs a square brush
    radius. opacity (c, b): of a dab. more (c, b, k): times which dabs count at each pixel of a cell. gate (c, b): the
    sight's.
    """

    bare: Tensor
    density: Tensor
    opacity: Tensor
    more: Tensor
    gate: Tensor


class GeometryPainter(nn.Module):
    """Mean coverage of strokes from their shape.

    channels: width. reach: brush radii (and `REACH_PX` more) from the curve beyond which there is no paint, at no
    pressure, and how many more at full pressure. swell: how pressure changes the radius of the brush
    (`stroke_geometry.radius_at_pressure`). dab: its dabs. by_chance: whether samples of a stroke differ; if not, there are no dabs.
    """

    def __init__(
        self,
        channels: int = 32,
        reach: tuple[float, float] = (2.0, 2.0),
        swell: Sequence[float] = (),
        dab: DabShape = DAB,
        by_chance: bool = True,
    ) -> None:
        super().__init__()
        self.reach, self.swell, self.dab, self.by_chance = reach, tuple(swell), dab, by_chance
        self.spread = nn.Parameter(torch.tensor([[0.4, 1.2], [0.4, 1.2], [0.8, 1.6]]))
        """Brush radii by which dabs scatter: at no pressure, and how many more at full pressure; for three inks."""
        self.enter = nn.Linear(FEATURES, channels)
        self.modulate = nn.Sequential(nn.Linear(6, 32), nn.SiLU(), nn.Linear(32, 2 * channels))
        self.middle = nn.Linear(channels, channels)
        self.leave = nn.Linear(channels, 5)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> GeometryPainter:
        """The painter that `facts` tell of, which has learnt nothing yet. Raises KeyError for a missing fact."""
        low, more = facts["reach"]
        hardness, vary, opacity = facts["dab"]
        dab = DabShape(hardness, vary, tuple(opacity))
        return cls(int(facts["channels"]), (float(low), float(more)), facts["swell"], dab, facts.get("by_chance", True))

    def facts(self) -> dict[str, Any]:
        """What `of` must know beside the weights."""
        told = {"channels": self.middle.in_features, "reach": self.reach, "swell": self.swell, "dab": self.dab}
        return told | {"by_chance": self.by_chance}

    def forward(self, actions: Tensor, side: float, margin: int) -> Tensor:
        """The sheets of m strokes: their tile of `side` px and `margin` px around it.

        actions (m, >= 9) in [0, 1] -> (m, 1, S, S) in [0, 1] with S = `sheet_size(side, margin)`.
        """
        edge = sheet_size(side, margin)
        return self.window(actions, actions.new_full((len(actions), 2), -margin), side, (edge, edge))

    def window(self, actions: Tensor, corner: Tensor, side: float, size: tuple[int, int]) -> Tensor:
        """Windows of the sheets: (m, 1, height, width) for a size (width, height) in px, whole blocks.

        corner (m, 2): the upper left of each window, px from the tile's, whole blocks too: so cells lie alike in all
        windows.
        """
        m, (width, height) = len(actions), size
        again = m > _KEPT and torch.is_grad_enabled()
        reached, painted = [], []
        for cell, which in self._cells(actions, side):
            for some in torch.split(which, _STROKES):
                arguments = (actions[some], corner[some], side, size, cell)
                (number, *place), blocks = (
                    checkpoint(self._blocks, *arguments, use_reentrant=False, preserve_rng_state=False)
                    if again
                    else self._blocks(*arguments)
                )
                reached.append(torch.stack([some[number], *place]))
                painted.append(blocks)
        # Sheets seen as blocks. They are no view of the sheets, since writing into a view costs copies of its gradient.
        blocked = (m, height // BLOCK, width // BLOCK, BLOCK, BLOCK)
        strides = (height * width, BLOCK * width, BLOCK, width, 1)
        sheets = torch.empty_strided(blocked, strides, dtype=actions.dtype, device=actions.device).zero_()
        if painted:
            sheets.index_put_(torch.cat(reached, dim=1).unbind(), torch.cat(painted))
        return sheets.transpose(2, 3).view(m, 1, height, width)

    def _blocks(
        self, actions: Tensor, corner: Tensor, side: float, size: tuple[int, int], cell: int
    ) -> tuple[Tensor, Tensor]:
        """The blocks of windows that the brush reaches, by cells of `cell` px: their stroke, row and column (3, k), and
        coverage there (k, BLOCK, BLOCK).
        """
        m, columns, rows, cells = len(actions), size[0] // BLOCK, size[1] // BLOCK, BLOCK // cell
        reached = self._reached(actions, corner, side, size, cell)
        if not reached.numel():
            return reached, actions.new_zeros(0, BLOCK, BLOCK)
        shape = _shape(actions, side)
        change = self._change(shape)
        across, down = _centres(actions, corner, size, cell)
        inks = self._ink(actions, side, across, down).view(-1, m, rows, cells, columns, cells)
        inks = inks[:, reached[0], reached[1], :, reached[2]].permute(1, 2, 3, 0).flatten(1, 2)
        across, down = across.view(m, columns, cells), down.view(m, rows, cells)
        most = _CELLS // cells**2
        pieces = []
        for which, ink in zip(torch.split(reached, most, 1), torch.split(inks, most, 2), strict=True):
            index, row, column = which
            x, y = _grid(across[index, column], down[index, row])
            # As embeddings, since the gradient of an index is a sum in any order.
            sight = self._sight(F.embedding(index, shape.t()).t().contiguous()[:, None], ink, x, y, cell)
            pieces.append(self._coverage(self._marks(sight, F.embedding(index, change))))
        return reached, _window(torch.cat(pieces, dim=1), BLOCK, cell)[:, 0]

    @torch.no_grad()
    def overshoot(self, actions: Tensor, side: float) -> Tensor:
        """How far the paint of strokes runs over the edge of their tile of `side` px at most: (m,) px."""
        nodes, reach = self._around(actions, side)
        beyond = torch.maximum(-nodes, nodes - side).amax(-1)  # of each point, over the nearest edge
        # A cell is painted whole if its middle is reached.
        rest = torch.where(self._broad(actions, side), BLOCK - 1, CELL - 1) / 2
        return (beyond + reach).amax(1) + rest

    @torch.no_grad()
    def _around(self, actions: Tensor, side: float) -> tuple[Tensor, Tensor]:
        """Points (m, k, 2) of the curve, px from the tile's corner, and how far from them (m, k), px, there may be
        paint of theirs or of the curve halfway to the next.
        """
        t = torch.linspace(0, 1, _POINTS, device=actions.device, dtype=actions.dtype)
        nodes = stroke_geometry.curve(actions, t) * side
        gaps = nodes.diff(dim=1).square().sum(-1).sqrt() / 2
        gap = torch.maximum(F.pad(gaps, (0, 1)), F.pad(gaps, (1, 0)))
        pressure = stroke_geometry.pressure(actions, t)
        radius = (
            stroke_geometry.max_radius(actions)[:, None]
            * side
            * stroke_geometry.radius_at_pressure(pressure, self.swell)
        )
        return nodes, (self.reach[0] + self.reach[1] * pressure) * radius + REACH_PX + gap

    def sight(self, actions: Tensor, corner: Tensor, side: float, size: int, cell: int = CELL) -> Sight:
        """What the painter knows of all cells of `cell` px of square windows (see `window`), whether the brush reaches
        them or not. The cells come row by row.
        """
        x, y = _centres(actions, corner, (size, size), cell)
        ink = self._ink(actions, side, x, y).flatten(2).transpose(1, 2)
        return self._sight(_shape(actions, side)[:, None], ink, *_grid(x, y), cell)

    def moments(self, actions: Tensor, corner: Tensor, side: float, size: int) -> tuple[Tensor, Tensor]:
        """The means over all samples of the coverage and of its square, (m, 1, size, size) each, in square windows (see
        `window`) of which every cell is computed, whether the brush reaches it or not.
        """
        order, found = [], []
        for cell, which in self._cells(actions, side):
            some = actions[which]
            sight = self.sight(some, corner[which], side, size, cell)
            marks = self._marks(sight, self._change(_shape(some, side)))
            one, two = (
                torch.exp(-held(marks.density, marks.opacity, self.dab)[..., None] * marks.more)
                for held in (expected, expected_square)
            )
            square = (1 + marks.bare * (marks.bare * two - 2 * one)) * marks.gate[..., None].square()
            order.append(which)
            found.append(torch.stack([_window(values, size, cell) for values in (self._coverage(marks), square)]))
        mean, square = torch.cat(found, dim=1)[:, torch.cat(order).argsort()]
        return mean, square

    def _cells(self, actions: Tensor, side: float) -> Iterator[tuple[int, Tensor]]:
        """How large cells of strokes are, px, and the numbers (k,) of the strokes with such cells."""
        broad = self._broad(actions, side)
        for cell, which in ((CELL, ~broad), (BLOCK, broad)):
            numbers = which.nonzero()[:, 0]
            if len(numbers):
                yield cell, numbers

    def _broad(self, actions: Tensor, side: float) -> Tensor:
        """Which strokes have large cells, (m,)."""
        return stroke_geometry.max_radius(actions.detach()) * side >= (_BROAD if sum(self.reach) > _SOFT else math.inf)

    @torch.no_grad()
    def _reached(self, actions: Tensor, corner: Tensor, side: float, size: tuple[int, int], cell: int) -> Tensor:
        """Stroke, row and column (3, k) of the blocks of windows in which the brush may reach the centre of a cell."""
        nodes, reach = self._around(actions, side)
        limit = (reach + (BLOCK - cell) * 2**0.5 / 2).square()
        middles = _centres(actions, corner, size, BLOCK)
        x, y = ((nodes[:, :, axis, None] - middle[:, None]).square() for axis, middle in enumerate(middles))
        beyond = ((x - limit[:, :, None])[:, :, None] + y[:, :, :, None]).amin(1)
        return (beyond < 0).nonzero().t()

    def _change(self, shape: Tensor) -> Tensor:
        """What the whole of strokes changes in the network: gains and shifts (m, 2 channels). shape: see `_shape`."""
        bend, radius, start, end, length = shape[:2], shape[6], shape[7], shape[8], shape[9]
        curvature = (bend.square().sum(0) + 1e-6).sqrt() / length
        known = [radius.log() - 1, start * 2 - 1, end * 2 - 1, (length / radius / 8).clamp(max=3) - 1, curvature - 0.5]
        change: Tensor = self.modulate(torch.stack([*known, (length + 1).log() - 3], dim=1))
        return change

    def _ink(self, actions: Tensor, side: float, x: Tensor, y: Tensor) -> Tensor:
        """Ink of the whole curve, of two kinds, at the cells of columns x (m, w) and rows y (m, h): (2, m, h, w).

        A brush that scatters its dabs leaves the line integral of a Gaussian along the curve. As a sum over short
        pieces it is a product of matrices, since a Gaussian is the product of one in x and one in y.
        """
        t = torch.linspace(0, 1, _NODES + 1, device=actions.device, dtype=actions.dtype)
        middle = (t[1:] + t[:-1]) / 2
        nodes = stroke_geometry.curve(actions, middle) * side
        length = ((stroke_geometry.curve(actions, t) * side).diff(dim=1).square().sum(-1) + 1e-4).sqrt()
        pressure = stroke_geometry.pressure(actions, middle)
        radius = (stroke_geometry.max_radius(actions) * side)[:, None] * stroke_geometry.radius_at_pressure(
            pressure, self.swell
        )
        dx, dy = ((nodes[:, :, axis, None] - way[:, None]).square() for axis, way in ((0, x), (1, y)))
        inks = []
        for (least, more), weight in zip(
            self.spread[1:], (pressure / (0.5 + pressure), pressure.square()), strict=True
        ):
            # Blurred a little more than dabs scatter, so that the pieces do not show.
            variance = ((least + more * pressure) * radius).square() + 0.3 * length.square() + 0.25
            falls = (-0.5 / variance)[..., None]
            weight = (length * weight / variance.sqrt() * 0.8)[..., None]
            in_x, in_y = (torch.exp((d * falls).clamp(min=-30)) for d in (dx, dy))
            inks.append(torch.bmm((in_y * weight).transpose(1, 2), in_x))
        return torch.stack(inks)

    def _sight(self, shape: Tensor, ink: Tensor, x: Tensor, y: Tensor, cell: int) -> Sight:
        """Shape (10, 1, b) of strokes (see `_shape`), ink (2, c, b), x and y (c, b) in px from the tile's corner, for
        cells of `cell` px.
        """
        ax, ay, bx, by = shape[:4]
        pressure, change = shape[7], shape[8] - shape[7]
        t, ox, oy, vx, vy = nearest_point(shape[:6], x, y)
        here = torch.addcmul(pressure, change, t)
        radius = shape[6] * stroke_geometry.radius_at_pressure(here, self.swell)
        per_radius = 1 / radius
        speed2 = (vx * vx).addcmul(vy, vy)
        speed = speed2.add(1e-3).sqrt()
        heading = 1 / speed2.addcmul(shape[9], shape[9], value=_TURNING**2)
        square = (ox * ox).addcmul(oy, oy)
        ratio2 = square * (per_radius * per_radius)
        with torch.no_grad():
            at_end = (t == 0) | (t == 1)
            hand = (oy * vx - ox * vy).sign()
        inverse = (square + 0.01).rsqrt() * per_radius
        across = torch.stack([ox * inverse, oy * inverse], dim=-1) @ _offsets(x, cell)
        # Beyond the ends of the curve there is a way along it; elsewhere there is none, only a side.
        u = (ox * vx).addcmul(oy, vy) * (per_radius / speed * at_end)
        side2 = (ratio2 - u * u).clamp(min=0)
        v = (side2 + 1e-4).sqrt() * hand
        # Way to the ends along the curve, in radii, by Simpson's rule: exact near the ends, where it matters.
        done = torch.addcmul(u, _double(bx, by) / 2 + 2 * _double(vx + bx, vy + by) + speed, t * (per_radius / 6))
        ex, ey = bx + 2 * ax, by + 2 * ay
        left = torch.addcmul(
            -u, _double(ex, ey) / 2 + 2 * _double(vx + ex, vy + ey) + speed, (1 - t) * (per_radius / 6)
        )
        ratio = (ratio2 + 1e-4).sqrt()
        # The line integral of a Gaussian along a straight line that is as far away as the curve.
        scale = 2**-0.5 / (self.spread[0, 0] + self.spread[0, 1] * here)
        near = torch.exp(-(side2 * (scale * scale)).clamp(max=30))
        near = near * (torch.erf(done * scale) + torch.erf(left * scale)) * (here / (0.5 + here))
        one, two = ink
        features = [
            ratio.clamp(max=5) / 2,
            torch.exp(ratio2.clamp(max=50) * -0.5),
            torch.exp(square.clamp(max=200) * -0.125),
            u.clamp(-4, 4) / 2,
            v.clamp(-4, 4) / 2,
            here * 2 - 1,
            done.clamp(-4, 8) / 4 - 1,
            left.clamp(-4, 8) / 4 - 1,
            near,
            one,
            torch.exp(-one),
            two,
            torch.exp(-two),
            speed * (per_radius / 16) - 1,
            (ratio / (0.3 + here)).clamp(max=6) / 3,
            # The curve's direction, on which the breadth of a nib depends; there and back are the same. Where the curve
            # turns on the spot it has none, and its slope would be beyond all bounds.
            (vx * vx).addcmul(vy, vy, value=-1) * heading,
            2 * vx * vy * heading,
        ]
        reach = (self.reach[0] + self.reach[1] * here) * radius + REACH_PX
        # Falls from the flat part to the reach, both ends smoothly in value and the outer one in slope.
        gate = ((1 - square / (reach * reach)) / (1 - FLAT**2)).clamp(0, 1)
        return Sight(torch.stack(features), gate * gate, across, here)

    def _marks(self, sight: Sight, change: Tensor) -> Marks:
        """What the brush does at the cells of a sight; change (b, 2 channels)."""
        gain, shift = change.chunk(2, dim=-1)
        h = self.enter(sight.features.flatten(1).t()).view(*sight.gate.shape, -1)
        told = self.leave(F.silu(self.middle(F.silu(torch.addcmul(shift, h, gain + 1)))))
        certain = told[..., 0:1] - 4 + sight.across * (told[..., 1:2] + told[..., 2:3] * sight.across)
        density = (2 * told[..., 3]).clamp(-8, 3).exp()
        return Marks(
            bare=torch.sigmoid(-certain),
            density=density if self.by_chance else density * 0,
            opacity=stroke_geometry.interpolate_at_pressure(sight.pressure, self.dab.opacity),
            more=(told[..., 4:5] * sight.across).clamp(-3, 3).exp(),
            gate=sight.gate,
        )

    def _coverage(self, marks: Marks) -> Tensor:
        """Mean coverage (c, b, k) of the pixels of cells."""
        held = expected(marks.density, marks.opacity, self.dab)[..., None]
        # What light passes both the paint that is certain and the dabs is not covered.
        return (1 - marks.bare * torch.exp(-held * marks.more)) * marks.gate[..., None]


def in_blocks(length: int) -> int:
    """The least length of whole blocks, px, that holds a length."""
    return -(-length // BLOCK) * BLOCK


def sheet_size(side: float, margin: int) -> int:
    """Side in px, of whole blocks, of the sheet that holds a tile of `side` px and a margin around it."""
    return in_blocks(round(side + 2 * margin))


def _shape(actions: Tensor, side: float) -> Tensor:
    """What strokes are, (10, m), in px: a, b and s of the curve ``(a t + b) t + s``, each x before y; the brush's
    radius; pressure at the start and at the end; and the curve's length.
    """
    a, b, start = (part * side for part in stroke_geometry.bezier_coefficients(actions))
    speeds = [((b + 2 * t * a).square().sum(1) + 1e-6).sqrt() for t in (0.0, 0.5, 1.0)]
    length = (speeds[0] + 4 * speeds[1] + speeds[2]) / 6
    rest = torch.stack([stroke_geometry.max_radius(actions) * side, actions[:, 6], actions[:, 7], length])
    return torch.cat([a.t(), b.t(), start.t(), rest])


def _window(values: Tensor, size: int, cell: int) -> Tensor:
    """Values (c, b, cell ** 2) of the pixels of square windows' cells as windows (b, 1, size, size)."""
    cells = size // cell
    return values.view(cells, cells, -1, cell, cell).permute(2, 0, 3, 1, 4).reshape(-1, 1, size, size)


def _centres(actions: Tensor, corner: Tensor, size: tuple[int, int], step: int) -> tuple[Tensor, Tensor]:
    """The centres of squares of `step` px, such as cells, in windows of a size (width, height): columns' x (m, columns)
    and rows' y (m, rows), px from the tile's corner.
    """
    across, down = (
        torch.arange(length // step, device=actions.device).to(actions) * step + step / 2 for length in size
    )
    return corner[:, :1].to(actions) + across, corner[:, 1:].to(actions) + down


def _offsets(like: Tensor, cell: int) -> Tensor:
    """X and y (2, cell ** 2), px, of a cell's pixels from its centre, row by row; of the kind of a tensor."""
    way = torch.arange(cell, device=like.device, dtype=like.dtype) - (cell - 1) / 2
    return torch.stack([way.repeat(cell), way.repeat_interleave(cell)])


def _grid(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """X and y of all cells (cells ** 2, m) of columns and rows (m, cells), row by row."""
    cells = x.shape[1]
    across = x.t()[None].expand(cells, -1, -1).flatten(0, 1)
    return across, y.t()[:, None].expand(-1, cells, -1).flatten(0, 1)


def _double(x: Tensor, y: Tensor) -> Tensor:
    """Length of a vector, never quite zero. (That of the sum of two velocities is twice that of their mean.)"""
    return (x * x).addcmul(y, y).add(1e-3).sqrt()
