"""Canvases: one tile, a grid of overlapping ones, or grids from coarse to fine."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_canvases() -> Sequence[type]:
    """`single`, `grid` and `pyramid`."""
    from artkit_canvases.grid import Grid
    from artkit_canvases.pyramid import Pyramid
    from artkit_canvases.single import Single

    return (Single, Grid, Pyramid)
