"""Canvases: a single tile, a grid of overlapping tiles, a pyramid of grids, or one that divides itself."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_canvases() -> Sequence[type]:
    """Register `single`, `grid`, `pyramid` and `adaptive`."""
    from artkit_canvases.adaptive import Adaptive
    from artkit_canvases.grid import Grid
    from artkit_canvases.pyramid import Pyramid
    from artkit_canvases.single import Single

    return (Single, Grid, Pyramid, Adaptive)
