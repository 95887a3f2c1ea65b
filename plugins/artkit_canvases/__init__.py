"""Canvases: a single tile, a grid of overlapping tiles, or a pyramid of grids."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_canvases() -> Sequence[type]:
    """Register `single`, `grid` and `pyramid`."""
    from artkit_canvases.grid import Grid
    from artkit_canvases.pyramid import Pyramid
    from artkit_canvases.single import Single

    return (Single, Grid, Pyramid)
