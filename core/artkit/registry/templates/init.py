"""A newkind for artkit."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_newkinds() -> Sequence[type]:
    """Provide `newcomponent`."""
    from newplugin.newcomponent import NewComponent  # imported here, so that discovery does not import torch

    return (NewComponent,)
