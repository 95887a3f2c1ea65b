"""A newkind for artkit."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_newkinds() -> Sequence[type]:
    """`newpart`."""
    from newplugin.newpart import NewPart  # here, so that commands which need no parts stay quick

    return (NewPart,)
