"""Painters of strokes: the real MyPaint, and networks that learnt its brushes (paper §2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from artkit import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def artkit_renderers() -> Sequence[type]:
    """`mypaint`, `gan`, `vae` and `discrete`."""
    from artkit_painters.discrete import Discrete
    from artkit_painters.gan import Gan
    from artkit_painters.mypaint import MyPaint
    from artkit_painters.vae import Vae

    return (MyPaint, Gan, Vae, Discrete)


@hookimpl
def artkit_trainers() -> Sequence[type]:
    """`gan` and `vae`."""
    from artkit_painters.gan_trainer import GanTrainer
    from artkit_painters.vae_trainer import VaeTrainer

    return (GanTrainer, VaeTrainer)


@hookimpl
def artkit_commands(cli: click.Group) -> None:
    """`fidelity`."""
    from artkit_painters.commands import fidelity

    cli.add_command(fidelity)


@hookimpl
def artkit_doctor() -> Sequence[tuple[str, str, str]]:
    """libmypaint, its brushes, and the shipped painters."""
    from artkit_painters import engine, libmypaint, weights

    packages = "libmypaint-1.5-1", "mypaint-brushes"
    mend = "Debian or Ubuntu: apt install {}; macOS: brew install {}"
    name = libmypaint.find()
    try:
        engine_told = f"{name}, loaded" if name and libmypaint.library() else ""
    except libmypaint.EngineMissing as missing:
        engine_told, mend = "", f"{missing}"
    brushes, folders = engine.brush_names(), ", ".join(str(folder) for folder in engine.brush_folders())
    painters = sorted(file.stem for file in weights.SHIPPED.glob("*.safetensors"))
    return (
        ("libmypaint", engine_told, mend.format(packages[0], "libmypaint")),
        ("brushes", f"{len(brushes)} in {folders}" if brushes else "", mend.format(packages[1], packages[1])),
        ("painters", ", ".join(painters), "install artkit again: its weights are missing"),
    )
