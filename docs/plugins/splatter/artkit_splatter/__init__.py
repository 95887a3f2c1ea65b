"""A renderer for artkit: paint thrown at the canvas."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_renderers() -> Sequence[type]:
    """`splatter`."""
    from artkit_splatter.splatter import Splatter  # here, so that commands which need no parts stay quick

    return (Splatter,)
