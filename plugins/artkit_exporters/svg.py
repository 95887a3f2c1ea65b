"""``.svg``: an approximation of the painting by vector graphics."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from artkit import Place, RenderedPainting, UsageError
from artkit_exporters.libraries import Encoded

MOST = 200_000
"""Strokes of the largest painting that leaves in this format; no program shows more."""

_NEEDED = (
    *("start_x", "start_y", "middle_x", "middle_y", "end_x", "end_y"),
    *("start_pressure", "end_pressure", "red", "green", "blue"),
)
_POINTS = 12
_AT_ONCE = 1 << 22  # px of sheets
_LARGEST = 512  # px a side of the tiles on which strokes are measured; larger ones are reduced


class Svg(Encoded):
    """Each stroke a path of its varying width, colour and opacity. Grain and soft edges are lost; the opacity is the
    mean of what the brush covers, and the path is as large as what it covers.
    """

    name = "svg"
    suffixes = (".svg",)
    needs = "drawsvg"

    def write(self, painting: RenderedPainting, file: Path) -> None:
        draw = self.encoder
        log = painting.log
        if not set(_NEEDED) <= set(log.names):
            raise UsageError(f"strokes of the action space {log.space} are no lines, which .svg needs")
        if len(log.actions) > MOST:
            raise UsageError(
                f"{len(log.actions):,} strokes are too many for .svg; the most are {MOST:,}",
                hint="choose .tif or .dzi",
            )
        actions = log.actions[:, [log.names.index(name) for name in _NEEDED]].double()
        left, top = (painting.region.x, painting.region.y) if painting.region else (0, 0)
        width, height = painting.size
        origin = (left, top, width / painting.scale, height / painting.scale)
        drawing = draw.Drawing(width, height, origin=origin[:2], viewBox=" ".join(f"{v:g}" for v in origin))
        drawing.append(draw.Rectangle(*origin, fill=_hex(log.background)))
        drawing.append_title("; ".join(f"{key}: {text}" for key, text in painting.metadata.items()))
        areas, opacities = _coverage(painting)
        tiles = log.tiles().double()
        points = actions[:, :6].view(-1, 3, 2) * tiles[:, None, 2:] + tiles[:, None, :2]
        for line, pressure, colour, area, opacity in zip(
            points, actions[:, 6:8], actions[:, 8:].tolist(), areas.tolist(), opacities.tolist(), strict=True
        ):
            if area > 0.05:
                outline = _outline(line, pressure.clamp(min=0.02), area)
                drawing.append(draw.Path(d=outline, fill=_hex(colour), fill_opacity=round(opacity, 3)))
        drawing.save_svg(str(file))


def _hex(colour: tuple[float, ...] | list[float]) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in colour)


@torch.no_grad()
def _coverage(painting: RenderedPainting) -> tuple[Tensor, Tensor]:
    """The area in px that each stroke covers, and the mean of its coverage there: (N,) each."""
    log, device = painting.log, painting.renderer.device
    areas, opacities = [], []
    for phase in log.phases:
        side = min(phase.side, _LARGEST)
        shrink = side / phase.side
        margin = 0 if log.clip else painting.renderer.margin(side)
        numbers = torch.arange(phase.first, phase.first + phase.stroke_count)
        for some in torch.split(numbers, max(1, _AT_ONCE // (side + 2 * margin) ** 2)):
            origins = (phase.origins_at(some - phase.first) * shrink).long().to(device)
            size = (round(log.size[0] * shrink), round(log.size[1] * shrink))
            place = Place(origins, side, margin, some.to(device), size, log.seed, shrink)
            coverage = painting.renderer(log.actions[some].to(device), place).coverage.double().flatten(1)
            total, squares = coverage.sum(1), coverage.square().sum(1).clamp(min=1e-9)
            areas.append((total.square() / squares / shrink**2).cpu())
            opacities.append((squares / total.clamp(min=1e-9)).clamp(max=1).cpu())
    return torch.cat(areas), torch.cat(opacities)


def _outline(points: Tensor, pressure: Tensor, area: float) -> str:
    """A path of the given area about the curve that starts, passes at its half, and ends at `points` (3, 2), px. Its
    width grows with the square root of the pressure, (2,) at both ends.
    """
    start, middle, end = points
    control = 2 * middle - (start + end) / 2
    t = torch.linspace(0, 1, _POINTS, dtype=torch.float64)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    ahead = 2 * (1 - t) * (control - start) + 2 * t * (end - control)
    across = torch.stack([-ahead[:, 1], ahead[:, 0]], 1) / ahead.norm(dim=1, keepdim=True).clamp(min=1e-6)
    wide = (pressure[0] + (pressure[1] - pressure[0]) * t).sqrt()
    # Half the width is `k wide`: the sides hold 2 k ∫ wide, and the round ends together a circle of the mean of both.
    sides = 2 * float((curve.diff(dim=0).norm(dim=1) * (wide[1:] + wide[:-1])[:, 0] / 2).sum())
    ends = math.pi / 2 * float(wide[0] ** 2 + wide[-1] ** 2)
    k = (math.sqrt(sides**2 + 4 * ends * area) - sides) / (2 * ends)
    one, other = curve + k * wide * across, curve - k * wide * across
    first, last = k * float(wide[0]), k * float(wide[-1])

    def told(some: Tensor) -> str:
        return "L".join(f"{x:.2f},{y:.2f}" for x, y in some.tolist())

    back = other.flip(0)
    return (
        f"M{told(one)}A{last:.2f},{last:.2f} 0 0 0 {told(back[:1])}L{told(back[1:])}"
        f"A{first:.2f},{first:.2f} 0 0 0 {told(one[:1])}Z"
    )
