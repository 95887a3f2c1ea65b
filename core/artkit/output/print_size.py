"""The size of an export: by scale, by width, or by the size of the print."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from artkit.errors import UsageError
from artkit.files import read_text
from artkit.recipes.recipe import RECIPE_FILE, OutputConfig

MAX_SCALE = 1024.0
DEFAULT_DPI = 300.0

_INCHES = {"cm": 1 / 2.54, "mm": 1 / 25.4, "in": 1.0}
_SAME_SHAPE = 0.01  # relative difference of a side at which no note is needed


@dataclass(frozen=True)
class ExportSize:
    """The size of an exported picture.

    scale: relative to the recipe's size. dpi: resolution to write into the file, px per inch. note: for the user, if
    the picture has another shape than was requested. crop: width and height of the part to export, px, if not all of it
    is exported.
    """

    scale: float
    dpi: float | None = None
    note: str = ""
    crop: tuple[float, float] | None = None

    def at_scale(self, scale: float) -> ExportSize:
        """Return a print of the same size in cm at another scale, and so at another resolution."""
        if scale == self.scale or not self.dpi:
            return self
        ratio = scale / self.scale
        dpi = self.dpi * ratio
        note = f"the renderer cannot render {self.scale:.4g} times as large: the print has {dpi:.0f} dpi"
        crop = (self.crop[0] * ratio, self.crop[1] * ratio) if self.crop else None
        return ExportSize(scale, dpi, "; ".join(filter(None, (self.note, note))), crop)


def size_of_run(folder: Path, size: tuple[int, int]) -> ExportSize:
    """Return the size of the finished picture in a run's folder, a painting of `size` px."""
    try:
        output = tomllib.loads(read_text(folder / RECIPE_FILE)).get("output", {})
        config = OutputConfig(**output)
    except (OSError, ValueError, TypeError):  # strokes without a recipe, or one of another version
        config = OutputConfig()
    return ExportSize(config.scale_for(size), config.resolution)


def size_from_width(width: int, size: tuple[int, int], dpi: float | None) -> ExportSize:
    """Return the size of a picture that is `width` px wide; size: of the painting, or of its part, px."""
    return ExportSize(_checked(width / size[0], f"--width {width}"), dpi)


def size_from_text(text: str, size: tuple[int, int], dpi: float | None, fill: bool = False) -> ExportSize:
    """Return the largest size that fits into a rectangle, such as ``30x40cm``, ``12x8in`` or ``1920x1080``.

    Without a unit the numbers are px. size: of the painting, or of its part, px. dpi: px per inch, 300 by default; not
    needed for px. fill: fill the rectangle instead, and cut off what does not fit. Raises UsageError if the text is no
    size.
    """
    number = r"(\d+(?:[.,]\d+)?)"
    match = re.fullmatch(rf"{number}\s*[x×]\s*{number}\s*(px|cm|mm|in)?", text.strip().lower())
    sides = [float(match[index].replace(",", ".")) for index in (1, 2)] if match else []
    if not match or not all(sides):
        raise UsageError(f"--size {text} is not a size", hint="write it as 30x40cm, 12x8in or 1920x1080")
    unit = match[3] or "px"
    if unit != "px":
        dpi = dpi or DEFAULT_DPI
    px_per_unit = _INCHES[unit] * dpi if unit != "px" and dpi else 1.0
    width, height = (side * px_per_unit for side in sides)
    scales = (width / size[0], height / size[1])
    scale = _checked(max(scales) if fill else min(scales), f"--size {text}")
    if fill:
        shown = (width / scale / size[0], height / scale / size[1])
        side, share = ("width", shown[0]) if shown[0] < shown[1] else ("height", shown[1])
        note = f"{1 - share:.0%} of the {side} of the picture is cut off" if share < 1 - _SAME_SHAPE else ""
        return ExportSize(scale, dpi, note, (width, height))
    fitted = [length * scale / px_per_unit for length in size]
    note = ""
    if any(abs(actual - requested) > _SAME_SHAPE * requested for actual, requested in zip(fitted, sides, strict=True)):
        note = (
            f"the picture keeps its shape: in {text} it is {fitted[0]:.4g} x {fitted[1]:.4g} {unit}; with --fill it is "
            "cut to the size"
        )
    return ExportSize(scale, dpi, note)


def _checked(scale: float, option: str) -> float:
    if not scale <= MAX_SCALE:
        raise UsageError(f"{option} is {scale:.0f} times the size of the recipe; at most {MAX_SCALE:.0f} is possible")
    return scale


def export_defaults(size: ExportSize, pixels: tuple[int, int], requested: bool) -> Mapping[str, float]:
    """Return settings of exporters that follow from the size: the resolution and, if a size was requested, the longer
    side of films, px.
    """
    defaults: dict[str, float] = {"dpi": size.dpi} if size.dpi else {}
    return defaults | ({"longest": max(pixels)} if requested else {})
