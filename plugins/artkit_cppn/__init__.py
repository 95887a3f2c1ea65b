"""Pictures as functions of place instead of strokes: a network's, a spectrum's, or a raster's."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_renderers() -> Sequence[type]:
    """`cppn`, `fourier` and `pixels`."""
    from artkit_cppn.cppn import Cppn
    from artkit_cppn.fourier import Fourier
    from artkit_cppn.pixels import Pixels

    return (Cppn, Fourier, Pixels)
