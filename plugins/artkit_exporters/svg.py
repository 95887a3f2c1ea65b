"""``.svg``: an approximation of the painting by vector graphics."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Annotated

import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from artkit import Config as BaseConfig
from artkit import Place, RenderedPainting, UsageError
from artkit.imaging.pixels import tensor_to_pixels
from artkit_exporters.library_exporter import LibraryExporter

MAX_STROKES = 200_000
"""The largest number of strokes that is exported; programs cannot display more."""

_REQUIRED_NAMES = (
    *("start_x", "start_y", "middle_x", "middle_y", "end_x", "end_y"),
    *("start_pressure", "end_pressure", "red", "green", "blue"),
)
_CURVE_POINTS = 12
_CM_PER_INCH = 2.54
_MAX_CHUNK_PIXELS = 1 << 22
"""Pixels of the patches that are rendered at once."""

_MAX_MEASURED_SIDE = 512
"""Side in px of the tiles on which strokes are measured; larger tiles are scaled down."""

_MIN_AREA = 0.05
"""Area in px below which a stroke is left out."""


class Svg(LibraryExporter):
    """Each stroke as a path with its width, colour and opacity. Texture and soft edges are lost.

    The path has the area that the brush covers; its opacity is the mean coverage there.
    """

    name = "svg"
    suffixes = (".svg",)
    library_name = "drawsvg"

    class Config(BaseConfig):
        """Settings."""

        dpi: Annotated[float, Field(gt=0, le=1e5)] | None = None
        """Print resolution, px per inch: it gives the drawing a size in cm."""

    config: Config

    def write(self, painting: RenderedPainting, file: Path) -> None:
        draw = self.library
        log = painting.log
        if not set(_REQUIRED_NAMES) <= set(log.names):
            raise UsageError(f".svg files hold curves, and the strokes of this painting ({log.space}) are none")
        if len(log.actions) > MAX_STROKES:
            raise UsageError(
                f"{len(log.actions):,} strokes are too many for .svg; the maximum is {MAX_STROKES:,}",
                hint="choose .tif or .dzi",
            )
        actions = log.actions[:, [log.names.index(name) for name in _REQUIRED_NAMES]].double()
        left, top = (painting.region.x, painting.region.y) if painting.region else (0, 0)
        width, height = painting.size
        view_box = (left, top, width / painting.scale, height / painting.scale)
        dpi = self.config.dpi
        sides = [f"{length / dpi * _CM_PER_INCH:.6g}cm" for length in (width, height)] if dpi else [width, height]
        drawing = draw.Drawing(*sides, origin=view_box[:2], viewBox=" ".join(f"{v:g}" for v in view_box))
        if log.background_image is None:
            drawing.append(draw.Rectangle(*view_box, fill=_hex_colour(log.background)))
        else:
            drawing.append(draw.Image(*view_box, data=_encode_background(painting), mime_type="image/jpeg", embed=True))
        if painting.metadata:
            drawing.append_title("; ".join(f"{key}: {text}" for key, text in painting.metadata.items()))
        areas, opacities = _measure_strokes(painting)
        tiles = log.tiles().double()
        points = actions[:, :6].view(-1, 3, 2) * tiles[:, None, 2:] + tiles[:, None, :2]
        for curve, pressure, colour, area, opacity in zip(
            points, actions[:, 6:8], actions[:, 8:].tolist(), areas.tolist(), opacities.tolist(), strict=True
        ):
            if area > _MIN_AREA:
                outline = _outline(curve, pressure.clamp(min=0.02), area)
                drawing.append(draw.Path(d=outline, fill=_hex_colour(colour), fill_opacity=round(opacity, 3)))
        drawing.save_svg(str(file))


def _encode_background(painting: RenderedPainting) -> bytes:
    """Return the background as a JPEG."""
    stream = io.BytesIO()
    pixels = tensor_to_pixels(painting.background(0, 0, *painting.size))
    Image.fromarray(pixels).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _hex_colour(colour: tuple[float, ...] | list[float]) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in colour)


@torch.no_grad()
def _measure_strokes(painting: RenderedPainting) -> tuple[Tensor, Tensor]:
    """Return the area in px that each stroke covers, and its mean coverage there: (N,) each."""
    log, device = painting.log, painting.renderer.device
    areas, opacities = [], []
    for phase in log.phases:
        side = min(phase.side, _MAX_MEASURED_SIDE)
        scale = side / phase.side
        margin = 0 if log.clip else painting.renderer.margin(side)
        indices = torch.arange(phase.first, phase.first + phase.stroke_count)
        for chunk in torch.split(indices, max(1, _MAX_CHUNK_PIXELS // (side + 2 * margin) ** 2)):
            origins = (phase.origins_at(chunk - phase.first) * scale).long().to(device)
            size = (round(log.size[0] * scale), round(log.size[1] * scale))
            place = Place(origins, side, margin, chunk.to(device), size, log.seed, scale)
            coverage = painting.renderer(log.actions[chunk].to(device), place).coverage.double().flatten(1)
            total, squares = coverage.sum(1), coverage.square().sum(1).clamp(min=1e-9)
            areas.append((total.square() / squares / scale**2).cpu())
            opacities.append((squares / total.clamp(min=1e-9)).clamp(max=1).cpu())
    return torch.cat(areas), torch.cat(opacities)


def _outline(points: Tensor, pressure: Tensor, area: float) -> str:
    """Return an SVG path of the given area around a quadratic curve.

    points (3, 2): start, middle (at t = 1/2) and end of the curve, px. pressure (2,): at both ends; the width is
    proportional to its square root.
    """
    start, middle, end = points
    control = 2 * middle - (start + end) / 2
    t = torch.linspace(0, 1, _CURVE_POINTS, dtype=torch.float64)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    tangent = 2 * (1 - t) * (control - start) + 2 * t * (end - control)
    normal = torch.stack([-tangent[:, 1], tangent[:, 0]], 1) / tangent.norm(dim=1, keepdim=True).clamp(min=1e-6)
    relative_width = (pressure[0] + (pressure[1] - pressure[0]) * t).sqrt()
    # Solve for k, where half the width is k w: the sides have the area 2 k ∫ w, the two round ends π/2 k² (w₀² + w₁²).
    mean_width = (relative_width[1:] + relative_width[:-1])[:, 0] / 2
    sides = 2 * float((curve.diff(dim=0).norm(dim=1) * mean_width).sum())
    ends = math.pi / 2 * float(relative_width[0] ** 2 + relative_width[-1] ** 2)
    k = (math.sqrt(sides**2 + 4 * ends * area) - sides) / (2 * ends)
    left, right = curve + k * relative_width * normal, curve - k * relative_width * normal
    start_radius, end_radius = k * float(relative_width[0]), k * float(relative_width[-1])

    def line_to(points: Tensor) -> str:
        return "L".join(f"{x:.2f},{y:.2f}" for x, y in points.tolist())

    back = right.flip(0)
    return (
        f"M{line_to(left)}A{end_radius:.2f},{end_radius:.2f} 0 0 0 {line_to(back[:1])}L{line_to(back[1:])}"
        f"A{start_radius:.2f},{start_radius:.2f} 0 0 0 {line_to(left[:1])}Z"
    )
