"""Neural painters of MyPaint's brushes, trained on MyPaint's strokes, and their trainers (paper §2.2, §2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from artkit import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def artkit_renderers() -> Sequence[type]:
    """Return `gan`, `dcgan`, `vae` and `discrete`."""
    from artkit_painters.dcgan import Dcgan
    from artkit_painters.discrete import Discrete
    from artkit_painters.gan import Gan
    from artkit_painters.vae import Vae

    return (Gan, Dcgan, Vae, Discrete)


@hookimpl
def artkit_trainers() -> Sequence[type]:
    """Return `gan` and `vae`."""
    from artkit_painters.gan_trainer import GanTrainer
    from artkit_painters.vae_trainer import VaeTrainer

    return (GanTrainer, VaeTrainer)


@hookimpl
def artkit_commands(cli: click.Group) -> None:
    """Add `fidelity`."""
    from artkit_painters.commands import fidelity

    cli.add_command(fidelity)


@hookimpl
def artkit_doctor() -> Sequence[tuple[str, str, str]]:
    """Report the shipped weights."""
    from artkit_painters import weights

    painters = sorted(file.stem for file in weights.SHIPPED.glob("*.safetensors"))
    return (("painters", ", ".join(painters), "install artkit again: its weights are missing"),)
