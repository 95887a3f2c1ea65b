"""TODO: artkit_mypaint.pen_paths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artkit_mypaint import libmypaint as libmypaint

POINTS = 50
"""Events a stroke is traced with."""


MAX_EXTENT_RADII = 16.0
"""Basic radii from its path within which all of a stroke's paint lies, with room for brushes that spray widely."""


DURATION_SECONDS = 10.0
"""Seconds that the pen takes for a stroke: slow, so that a brush's dynamics of speed hardly show."""


_PRESS_SECONDS = 0.1  # longer, and the library would put an event of its own before the pen comes down


RESET_SECONDS = 10.0  # long enough that no filter of the brush remembers the stroke before


EVENT_SECONDS = [RESET_SECONDS, _PRESS_SECONDS] + [DURATION_SECONDS / POINTS] * POINTS


@dataclass(frozen=True)
class PenPaths:
    """m strokes as the pen moves: what `Brush` and `Surface` need to paint them.

    points (m, events, 3): x and y in px of the picture, and pressure. log_radius (m,). colours (m, 3) in [0, 1].
    seeds (m,). zoom: px a reference px, so that a brush's dynamics of speed do not depend on the scale.
    """

    points: npt.NDArray[np.float64]
    log_radius: npt.NDArray[np.float64]
    colours: npt.NDArray[np.float64]
    seeds: npt.NDArray[np.int64]
    zoom: float

    def __len__(self) -> int:
        return len(self.points)

    def subset(self, chosen: slice | npt.NDArray[np.int64]) -> PenPaths:
        """Some of the strokes."""
        return PenPaths(
            self.points[chosen], self.log_radius[chosen], self.colours[chosen], self.seeds[chosen], self.zoom
        )


def stroke_seeds(numbers: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """The seed of each stroke, 30 bits, from its number and the seed of the picture (splitmix64)."""
    with np.errstate(over="ignore"):
        z = numbers.astype(np.uint64) + np.uint64(seed % 2**64) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
        z ^= z >> np.uint64(31)
    return (z & np.uint64(0x3FFFFFFF)).astype(np.int64)
