"""Constraints on actions."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_constraints() -> Sequence[type]:
    """`grayscale`."""
    from artkit_constraints.grayscale import Grayscale

    return (Grayscale,)
