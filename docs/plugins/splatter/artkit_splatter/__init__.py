"""A renderer for artkit: splatter painting."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_renderers() -> Sequence[type]:
    """Provide the renderer `splatter`."""
    from artkit_splatter.splatter import Splatter  # imported here, so that discovery does not import torch

    return (Splatter,)
