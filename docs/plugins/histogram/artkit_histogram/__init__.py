"""An objective for artkit: the colours of another image."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_objectives() -> Sequence[type]:
    """`histogram`."""
    from artkit_histogram.histogram import Histogram  # here, so that commands which need no parts stay quick

    return (Histogram,)
