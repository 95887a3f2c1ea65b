"""A painter that learnt how its brush lays dabs: a row of them along the curve, each moved a little by chance.

What is learnt, by two small networks, is what MyPaint's dabs are like at a place of a stroke: how many lie along a
brush radius of the curve, how far chance moves them, their radius and how much it varies, their opacity, the width of
their edge, and of nibs their shape. What they know is pressure, size, speed, direction, how far the stroke has come,
and what the brush's file says of radius and opacity under pressure. A sample of a stroke is then made as MyPaint makes
it, and laid on sheets of any resolution (`artkit_mypaint.dabs`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from artkit.geometry.place import hash_uint32
from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import MAX_LOG_RADIUS
from artkit_mypaint.brush import MIN_SOFTNESS_PX
from artkit_mypaint.dab_recording import SEGMENTS, DabRecords
from artkit_mypaint.dabs import UPRIGHT, Dabs, rasterize_dabs

_KNOWN = 12
_WIDTH = 32
_FARTHEST = 4.0  # deviations: chance moves no dab farther, so that it is known how far a stroke's paint may reach
_LEAST = -7.0  # logarithm of the smallest deviation
_HARDEST = 0.02  # of a dab's radius: edges that fade over less are taken to be alike
_NODES = 17  # of the curve, at which is asked how far its paint may reach
_SPEED = 3.5  # the logarithm of a usual stroke's length, px of a reference tile
_STROKES = 256  # strokes that are laid at a time
_EXACT = 20.0  # how much a squared error counts beside a likelihood


class _Row(NamedTuple):
    """What dabs are like but for chance, (k,) each.

    rate: the logarithm of their number along a brush radius. ahead, aside: how far they lie from their place, in brush
    radii, along the curve and to the right of it, and moved: by how much that deviates. seen: the logarithm of their
    radius, at half of what their edge fades over, over the brush's, and varied: by how much that deviates. faint: by
    how much their opacity does.
    """

    rate: Tensor
    ahead: Tensor
    aside: Tensor
    moved: Tensor
    seen: Tensor
    varied: Tensor
    faint: Tensor


class _Look(NamedTuple):
    """What a dab of a radius looks like, (k,) each: opacity in [0, 1]; fading, what its edge fades over, over the
    radius at half of that; long, the logarithm of the aspect; cos and sin of the angle, but for their length.
    """

    opacity: Tensor
    fading: Tensor
    long: Tensor
    cos: Tensor
    sin: Tensor


class DabPainter(nn.Module):
    """Samples of strokes, made of dabs as their brush makes them.

    softness, thinnest: of the brush (`engine.Brush`), by which MyPaint softens edges. upright: its dabs are round, and
    so have no angle. swell, opacity: how pressure changes the brush's radius (`stroke_geometry.radius_at_pressure`) and its dabs' opacity
    (`scattering.Dab`), as its file has it. sizes: logarithms of the least and the largest radius of its dabs, at
    half of what their edge fades over; farthest: how far they lie from the curve at most; both over the radius of the
    brush at its broadest. No dab is laid beyond these.
    """

    def __init__(
        self,
        softness: float = 1.0,
        thinnest: float = 1.0,
        upright: bool = True,
        swell: Sequence[float] = (),
        opacity: Sequence[float] = (0.0, 1.0),
        sizes: tuple[float, float] = (-4.0, 2.0),
        farthest: float = 8.0,
    ) -> None:
        super().__init__()
        self.sizes, self.farthest = sizes, farthest
        self.softness, self.thinnest, self.upright = softness, thinnest, upright
        self.swell, self.opacity = tuple(swell), tuple(opacity)
        self.row, self.look = _network(_KNOWN, 7), _network(_KNOWN + 1, 5)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> DabPainter:
        """The painter that `facts` tell of, which has learnt nothing yet. Raises KeyError for a missing fact."""
        told = float(facts["softness"]), float(facts["thinnest"]), bool(facts["upright"])
        (least, most), farthest = facts["sizes"], float(facts["farthest"])
        return cls(*told, facts["swell"], facts["opacity"], (float(least), float(most)), farthest)

    def facts(self) -> dict[str, Any]:
        """What `of` must know beside the weights."""
        told = {"softness": self.softness, "thinnest": self.thinnest, "upright": self.upright}
        return told | {
            "swell": self.swell,
            "opacity": self.opacity,
            "sizes": self.sizes,
            "farthest": self.farthest,
        }

    def forward(self, actions: Tensor, side: float, margin: int, seeds: Tensor) -> Tensor:
        """The sheets of m strokes: their tile of `side` px and `margin` px around it.

        actions (m, >= 9) in [0, 1]; seeds (m,) int64, which choose where dabs fall -> (m, 1, S, S) in [0, 1].
        """
        edge = round(side + 2 * margin)
        return self.window(actions, actions.new_full((len(actions), 2), -margin), side, (edge, edge), seeds)

    def window(self, actions: Tensor, corner: Tensor, side: float, size: tuple[int, int], seeds: Tensor) -> Tensor:
        """Windows of the sheets, whose upper left lies at `corner` (m, 2), px from the tile's: (m, 1, height, width)
        for a size (width, height) in px.
        """
        pieces = (torch.split(values, _STROKES) for values in (actions, corner, seeds))
        sheets = [rasterize_dabs(self.dabs(a, c, side, s), len(a), size) for a, c, s in zip(*pieces, strict=True)]
        return torch.cat(sheets) if sheets else actions.new_zeros(0, 1, size[1], size[0])

    def dabs(self, actions: Tensor, corner: Tensor, side: float, seeds: Tensor) -> Dabs:
        """The dabs of a sample of m strokes on tiles of `side` px, in px from `corner` (m, 2)."""
        which, turn, t = self._places(actions)
        # The gradient of an index is a sum in any order; that of an embedding is the same each time.
        actions, corner = F.embedding(which, actions), corner[which].to(actions)
        known, place, way, brush = self._known(actions, t)
        row, brush, broadest = self._row(known), brush * side, stroke_geometry.max_radius(actions) * side
        right, down, larger, fainter = _normal(seeds[which], turn, actions.dtype)
        away = (self._off(row, way) + row.moved[:, None] * torch.stack([right, down], dim=1)) * brush[:, None]
        limit = self.farthest * broadest
        away = away * (limit / torch.maximum(away.norm(dim=1), limit))[:, None]
        x, y = (place * side + away - corner).unbind(1)
        ratio = self._bounded(row.seen + row.varied * larger, brush / broadest)
        look = self._look(known, ratio)
        radius, hardness = self._softened(ratio.exp() * brush, look.fading, broadest)
        return Dabs(
            x,
            y,
            radius,
            (look.opacity + row.faint * fainter).clamp(0, 1),
            hardness,
            look.long.exp(),
            torch.full_like(x, UPRIGHT) if self.upright else torch.atan2(look.sin, look.cos),
            which,
        )

    @torch.no_grad()
    def overshoot(self, actions: Tensor, side: float) -> Tensor:
        """How far the paint of strokes may run over the edge of their tile of `side` px: (m,) px."""
        m = len(actions)
        t = torch.linspace(0, 1, _NODES, device=actions.device, dtype=actions.dtype)
        nodes = stroke_geometry.curve(actions, t)
        gap = nodes.diff(dim=1).square().sum(-1).sqrt().amax(1) / 2
        known, _, _, brush = self._known(actions.repeat_interleave(_NODES, 0), t.repeat(m))
        row = _Row(*(values.view(m, _NODES) for values in self._row(known)))
        brush, broadest = brush.view(m, _NODES), stroke_geometry.max_radius(actions)[:, None]
        away = torch.minimum((row.ahead.hypot(row.aside) + _FARTHEST * row.moved) * brush, self.farthest * broadest)
        ratio = self._bounded(row.seen + _FARTHEST * row.varied, brush / broadest)
        # At the most an edge fades over twice the radius at half of that, of which a half lies beyond it.
        beyond = torch.maximum(-nodes, nodes - 1).amax(-1) + away + 2 * ratio.exp() * brush
        return (beyond.amax(1) + gap) * side + self.softness / 2 + 1

    def unlikely(self, heard: DabRecords, dabs: Tensor, strokes: Tensor) -> dict[str, Tensor]:
        """How unlikely dabs are by what is learnt: minus the mean logarithm of their likelihood, or the squared error
        of what is no matter of chance; by name. dabs (k,), strokes (m,): the numbers of those of which it is asked.
        """
        dab = heard.dabs.subset(dabs)
        known, way, away, seen, brush, broadest = self._beside(heard, dab, heard.t[dabs])
        row, ratio = self._row(known), (seen / brush).log()
        away = away / brush[:, None] - self._off(row, way)
        look = self._look(known, ratio)
        radius, hardness = self._softened(seen, look.fading, broadest)
        least = _HARDEST * seen
        painted, fading = (
            torch.maximum(r * (1 - h), least) for r, h in ((radius, hardness), (dab.radius, dab.hardness))
        )
        edge, long = (painted / fading).log(), look.long - dab.aspect.log()
        cos, sin = look.cos - dab.angle.cos(), look.sin - dab.angle.sin()
        exact = edge.square() + long.square() + cos.square() + sin.square()
        rates, lengths = self._rates(heard.actions[strokes])
        many = rates.exp() * lengths
        return {
            "place": (0.5 * (away / row.moved[:, None]).square().sum(1) + 2 * row.moved.log()).mean(),
            "radius": (0.5 * ((ratio - row.seen) / row.varied).square() + row.varied.log()).mean(),
            "opacity": (0.5 * ((dab.opacity - look.opacity) / row.faint).square() + row.faint.log()).mean(),
            "look": _EXACT * exact.mean(),
            "number": (many - heard.counts[strokes] * (rates + lengths.log())).mean(),
        }

    @torch.no_grad()
    def keep_within(self, heard: DabRecords) -> None:
        """From now on lay no dab that is smaller, larger or farther away than those that were heard."""
        _, _, away, seen, _, broadest = self._beside(heard, heard.dabs, heard.t)
        sizes = (seen / broadest).log()
        self.sizes = float(sizes.min()), float(sizes.max())
        self.farthest = float((away.norm(dim=1) / broadest).max())

    def _bounded(self, ratio: Tensor, swollen: Tensor) -> Tensor:
        """The logarithms of dabs' radii over the brush's, that radius being `swollen` over the broadest."""
        return (ratio + swollen.log()).clamp(*self.sizes) - swollen.log()

    def _beside(self, heard: DabRecords, dab: Dabs, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Of heard dabs and where on their curves (k,) they belong: what is known of their places (k, _KNOWN) and the
        curve's way there (k, 2); and in px how far they lie from them (k, 2), their radius (k,) at half of what their
        edge fades over, and the radius (k,) of the brush there and at its broadest.
        """
        actions, side = heard.actions[dab.stroke], heard.sides[dab.stroke]
        known, place, way, brush = self._known(actions, t)
        away = torch.stack([dab.x, dab.y], dim=1) - place * side[:, None]
        return (
            known,
            way,
            away,
            dab.radius * (1 + dab.hardness) / 2,
            brush * side,
            stroke_geometry.max_radius(actions) * side,
        )

    def _row(self, known: Tensor) -> _Row:
        rate, ahead, aside, moved, seen, varied, faint = self.row(known).unbind(-1)
        moved, varied, faint = (told.clamp(min=_LEAST).exp() for told in (moved, varied, faint))
        return _Row(rate, ahead, aside, moved, seen, varied, faint)

    @staticmethod
    def _off(row: _Row, way: Tensor) -> Tensor:
        """How far dabs lie from their place but for chance, in x and y: (k, 2) brush radii. way (k, 2): the curve's."""
        aside = torch.stack([-way[:, 1], way[:, 0]], dim=1)
        return row.ahead[:, None] * way + row.aside[:, None] * aside

    def _look(self, known: Tensor, ratio: Tensor) -> _Look:
        told = self.look(torch.cat([known, ratio[:, None]], dim=1))
        opacity, fading, long, cos, sin = told.unbind(1)
        if self.upright:
            long, cos, sin = torch.zeros_like(long), torch.zeros_like(cos), torch.full_like(sin, -1.0)
        else:
            long = F.softplus(long)
        return _Look(torch.sigmoid(opacity), 2 * torch.sigmoid(fading), long, cos, sin)

    def _softened(self, seen: Tensor, fading: Tensor, brush: Tensor) -> tuple[Tensor, Tensor]:
        """Radius and hardness of dabs of a radius of `seen` px at half of what their edge fades over, of brushes of so
        many px: MyPaint lets an edge fade over some px at least (and `engine` over no more than a stroke is thin).
        """
        least = (brush * self.thinnest).clamp(min=MIN_SOFTNESS_PX).clamp(max=self.softness)
        half = torch.maximum(fading * seen, least) / 2
        return seen + half, (seen - half) / (seen + half)

    def _rates(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """The logarithm of the number of dabs along a brush radius, and the length in brush radii, of each segment of
        strokes: (m, SEGMENTS) each.
        """
        m = len(actions)
        t = (torch.arange(SEGMENTS, device=actions.device, dtype=actions.dtype) + 0.5) / SEGMENTS
        known, _, _, brush = self._known(actions.repeat_interleave(SEGMENTS, 0), t.repeat(m))
        lengths = (known[:, 2] + _SPEED).exp() / (SEGMENTS * stroke_geometry.REFERENCE_SIDE) / brush
        return self._row(known).rate.view(m, SEGMENTS), lengths.view(m, SEGMENTS)

    def _known(self, actions: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the networks know of places t (k,) on the curves of actions (k, A): (k, _KNOWN); the places (k, 2) in
        tile units, the curve's way there (k, 2), of length 1, and the brush's radius (k,) in tile units.
        """
        a, b, start = stroke_geometry.bezier_coefficients(actions)
        at = t[:, None]
        place = (a * at + b) * at + start
        speed = (2 * a * at + b) * stroke_geometry.REFERENCE_SIDE
        square = speed.square()
        fast = square.sum(1) + 1e-6
        pressure = stroke_geometry.pressure(actions, at)[:, 0]
        swollen = stroke_geometry.radius_at_pressure(pressure, self.swell) * torch.ones_like(t)
        # The direction, of which there and back are the same; a nib's breadth and dabs depend on it sharply.
        cos, sin = (square[:, 0] - square[:, 1]) / fast, 2 * speed[:, 0] * speed[:, 1] / fast
        directions = [cos, sin]
        for _ in range(2):
            cos, sin = cos * cos - sin * sin, 2 * cos * sin
            directions += [cos, sin]
        known = [
            pressure * 2 - 1,
            actions[:, 8] * MAX_LOG_RADIUS - 1,
            fast.log() / 2 - _SPEED,
            t * 2 - 1,
            swollen.log() + 1,
            stroke_geometry.interpolate_at_pressure(pressure, self.opacity) * 2 - 1,
            *directions,
        ]
        way = speed / fast.sqrt()[:, None]
        return torch.stack(known, dim=1), place, way, stroke_geometry.max_radius(actions) * swollen

    @torch.no_grad()
    def _places(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where on their curves the dabs of strokes lie, (k,) each: the number of the stroke, of the dab, and t."""
        rates, lengths = self._rates(actions)
        many = rates.exp() * lengths
        until = F.pad(many.cumsum(1), (1, 0))
        count = until[:, -1].floor().long()
        which = torch.repeat_interleave(torch.arange(len(actions), device=actions.device), count)
        turn = torch.arange(len(which), device=actions.device) - (count.cumsum(0) - count)[which]
        at = (turn + 1).to(until)
        segment = (torch.searchsorted(until[which], at[:, None], right=True)[:, 0] - 1).clamp(0, SEGMENTS - 1)
        share = (at - until[which, segment]) / many[which, segment].clamp(min=1e-9)
        return which, turn, (segment + share.clamp(0, 1)) / SEGMENTS


def _network(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, _WIDTH), nn.SiLU(), nn.Linear(_WIDTH, _WIDTH), nn.SiLU(), nn.Linear(_WIDTH, outputs)
    )


def _normal(seeds: Tensor, turn: Tensor, kind: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Four normal numbers, of `_FARTHEST` at most, for each dab by its stroke's seed and its turn (Box and Muller)."""
    start = hash_uint32(hash_uint32(seeds) + turn)
    one, two, three, four = ((hash_uint32(start + number).to(kind) + 0.5) / 2**32 for number in range(4))
    found = []
    for far, way in ((one, two), (three, four)):
        far, way = (-2 * far.log()).sqrt(), 2 * math.pi * way
        found += [(far * turned).clamp(-_FARTHEST, _FARTHEST) for turned in (way.cos(), way.sin())]
    one, two, three, four = found
    return one, two, three, four
