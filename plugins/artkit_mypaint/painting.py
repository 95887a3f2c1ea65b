"""Paint strokes with a brush: on one surface, each on a surface of its own, or as a list of dabs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from artkit_mypaint.libmypaint import MyPaintMissing
from artkit_mypaint.libmypaint_brush import LibMyPaintBrush
from artkit_mypaint.pen_paths import PenPaths
from artkit_mypaint.surface import DabRecorder, Surface


def paint_strokes(brush: LibMyPaintBrush, surface: Surface, paths: PenPaths) -> None:
    """Paint strokes on a surface, each over those before it."""
    for index in range(len(paths)):
        brush.paint_stroke(surface, paths, index)


def paint_coverages(
    brush: LibMyPaintBrush, paths: PenPaths, corners: npt.NDArray[np.int64], width: int, height: int
) -> npt.NDArray[np.uint16]:
    """Paint each of m strokes on a patch of its own.

    corners (m, 2): upper left corner of each patch, px of the picture -> coverages (m, height, width), where
    `libmypaint.ONE` is 1.
    """
    coverages = np.zeros((len(paths), height, width), np.uint16)
    surfaces: dict[tuple[int, int], Surface] = {}
    for index in range(len(paths)):
        x, y = (int(c) for c in corners[index])
        surface = surfaces.get((x, y)) or surfaces.setdefault((x, y), Surface(x, y, width, height, None))
        brush.paint_stroke(surface, paths, index, coloured=False)
        surface.write_coverage(coverages[index])
        surface.clear()
    return coverages


def dabs_of_strokes(brush: LibMyPaintBrush, paths: PenPaths) -> npt.NDArray[np.float64]:
    """Return the dabs of m strokes, in the order in which MyPaint draws them: (k, 9).

    The columns are: index of the stroke; index of the pen event after which the dab is drawn; x, y and radius in px;
    opacity in [0, 1]; hardness, which is negative for dabs that are too small to be drawn; aspect ratio; angle in
    degrees.

    Raises MyPaintMissing if this build of libmypaint does not report its dabs.
    """
    recorder = DabRecorder()
    rows: list[tuple[float, ...]] = []
    for index in range(len(paths)):
        for event in brush.stroke_events(recorder, paths, index, coloured=False):
            rows += [(index, event, *dab) for dab in recorder.dabs]
            recorder.dabs.clear()
    if len(paths) and not rows:
        raise MyPaintMissing("this build of libmypaint does not report its dabs", hint="install libmypaint 1.6")
    return np.array(rows, np.float64).reshape(-1, 9)
