"""Constraints: which actions are allowed."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_constraints() -> Sequence[type]:
    """Register constraints on the colour, shape, position and number of strokes."""
    from artkit_constraints.colour import SingleColour
    from artkit_constraints.connected import Connected
    from artkit_constraints.grayscale import Grayscale
    from artkit_constraints.mask import Mask
    from artkit_constraints.opaque import Opaque
    from artkit_constraints.palette import Palette
    from artkit_constraints.pressure import Pressure
    from artkit_constraints.size import Size
    from artkit_constraints.stroke_limit import StrokeLimit

    return (Grayscale, SingleColour, Palette, Size, Pressure, Opaque, Connected, Mask, StrokeLimit)
