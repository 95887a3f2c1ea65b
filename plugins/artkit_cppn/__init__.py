"""Renderers without strokes: the picture is a function of the coordinates."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_renderers() -> Sequence[type]:
    """Register `cppn`, `fourier` and `pixels`."""
    from artkit_cppn.cppn import Cppn
    from artkit_cppn.fourier import Fourier
    from artkit_cppn.pixels import Pixels

    return (Cppn, Fourier, Pixels)
