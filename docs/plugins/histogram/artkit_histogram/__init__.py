"""An objective for artkit: match the colour distribution of another image."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_objectives() -> Sequence[type]:
    """Provide the objective `histogram`."""
    from artkit_histogram.histogram import Histogram  # imported here, so that discovery does not import torch

    return (Histogram,)
