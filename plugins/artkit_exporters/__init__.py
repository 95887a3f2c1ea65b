"""Exporters, chosen by the extension of the file."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_exporters() -> Sequence[type]:
    """`png`."""
    from artkit_exporters.png import Png

    return (Png,)
