"""Canvases: a single tile, a grid of overlapping tiles, a pyramid of grids, one that divides itself, or a line."""

from collections.abc import Sequence

from artkit import hookimpl
from artkit.extras import describe_extra


@hookimpl
def artkit_canvases() -> Sequence[type]:
    """Register `single`, `grid`, `pyramid`, `adaptive` and `line`."""
    from artkit_canvases.adaptive import Adaptive
    from artkit_canvases.grid import Grid
    from artkit_canvases.line import Line
    from artkit_canvases.pyramid import Pyramid
    from artkit_canvases.single import Single

    return (Single, Grid, Pyramid, Adaptive, Line)


@hookimpl
def artkit_doctor() -> Sequence[tuple[str, str, str]]:
    """Report whether the library that finds faces is installed."""
    return [describe_extra("scikit-image", "faces", 'canvas.detail = "faces"', "skimage")]
