"""Constraints on strokes: which actions are allowed."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_constraints() -> Sequence[type]:
    """What strokes may look like, where they may lie, and how many there may be."""
    from artkit_constraints.colour import Colour
    from artkit_constraints.connected import Connected
    from artkit_constraints.grayscale import Grayscale
    from artkit_constraints.mask import Mask
    from artkit_constraints.opaque import Opaque
    from artkit_constraints.palette import Palette
    from artkit_constraints.pressure import Pressure
    from artkit_constraints.size import Size
    from artkit_constraints.strokes import Strokes

    return (Grayscale, Colour, Palette, Size, Pressure, Opaque, Connected, Mask, Strokes)
