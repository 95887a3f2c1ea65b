"""Data sets: pictures that an agent learns to paint."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_data() -> Sequence[type]:
    """`folder`."""
    from artkit_data.folder import Folder

    return (Folder,)
