"""Pen paths: the input of libmypaint for strokes, as NumPy arrays, so that worker processes need no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

POINTS = 50
"""Points of the curve at which a stroke is sampled."""

DURATION_SECONDS = 10.0
"""Duration of a stroke: slow, so that settings that depend on the speed of the pen have little effect."""

RESET_SECONDS = 10.0
"""Time since the last stroke: long enough that the filters of a brush do not remember that stroke."""

_EXTENT_SLACK_PX = 4  # added to the extent of a stroke, for edges that fade over a few px
_PRESS_SECONDS = 0.1  # if it were longer, libmypaint would insert an event of its own before the pen is pressed down

EVENT_SECONDS = [RESET_SECONDS, _PRESS_SECONDS] + [DURATION_SECONDS / POINTS] * POINTS
"""Seconds between each pen event and the one before: the pen comes down, is pressed, moves, and is lifted."""


@dataclass(frozen=True)
class PenPaths:
    """The pen movement, radius, colour and seed of m strokes: all that `Brush` and `Surface` need to paint them.

    points (m, events, 3): x and y in px of the picture, and pressure in [0, 1]; one event for each of `EVENT_SECONDS`.
    log_radius (m,): logarithm of the largest brush radius in px.
    colours (m, 3): RGB in [0, 1].
    seeds (m,): seeds of the brush's random generator.
    zoom: px per px of a reference tile; with it the brush's dependence on speed is independent of the scale.
    """

    points: npt.NDArray[np.float64]
    log_radius: npt.NDArray[np.float64]
    colours: npt.NDArray[np.float64]
    seeds: npt.NDArray[np.int64]
    zoom: float

    def __len__(self) -> int:
        return len(self.points)

    def subset(self, indices: slice | npt.NDArray[np.int64]) -> PenPaths:
        """Select strokes by a slice or by their indices."""
        return PenPaths(
            self.points[indices], self.log_radius[indices], self.colours[indices], self.seeds[indices], self.zoom
        )

    def intersecting(self, box: tuple[int, int, int, int], extent_radii: float) -> npt.NDArray[np.int64]:
        """Return the indices, ascending, of the strokes whose paint may lie in a box (x, y, width, height) in px.

        extent_radii: how far paint may lie from the path of a stroke, in units of its largest radius.
        """
        x, y, width, height = box
        extent = extent_radii * np.exp(self.log_radius) + _EXTENT_SLACK_PX
        low, high = self.points[..., :2].min(1), self.points[..., :2].max(1)
        outside_x = (high[:, 0] + extent < x) | (low[:, 0] - extent > x + width)
        outside_y = (high[:, 1] + extent < y) | (low[:, 1] - extent > y + height)
        return np.flatnonzero(~(outside_x | outside_y))
