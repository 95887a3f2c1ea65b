"""Painters of strokes: the real MyPaint, and networks that learnt its brushes (paper §2)."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_renderers() -> Sequence[type]:
    """`mypaint` and `gan`."""
    from artkit_painters.gan import Gan
    from artkit_painters.mypaint import MyPaint

    return (MyPaint, Gan)


@hookimpl
def artkit_trainers() -> Sequence[type]:
    """`gan`."""
    from artkit_painters.gan_trainer import GanTrainer

    return (GanTrainer,)
