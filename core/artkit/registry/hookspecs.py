"""The hooks of artkit, for built-in plugins and anyone's.

A plugin is a module that an entry point of the group ``artkit`` names. It marks its functions with `hookimpl`, and
imports its parts inside them, so that discovering plugins stays quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from artkit.interfaces.agent import Agent
    from artkit.interfaces.canvas import Canvas
    from artkit.interfaces.constraint import Constraint
    from artkit.interfaces.data import Data
    from artkit.interfaces.exporter import Exporter
    from artkit.interfaces.objective import Objective
    from artkit.interfaces.renderer import Renderer
    from artkit.interfaces.trainer import Trainer

GROUP = "artkit"
"""The entry-point group, and the name of the project in pluggy."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def artkit_renderers() -> Sequence[type[Renderer]]:
    """Renderer classes that this plugin brings."""
    return ()


@hookspec
def artkit_canvases() -> Sequence[type[Canvas]]:
    """Canvas classes that this plugin brings."""
    return ()


@hookspec
def artkit_objectives() -> Sequence[type[Objective]]:
    """Objective classes that this plugin brings."""
    return ()


@hookspec
def artkit_agents() -> Sequence[type[Agent]]:
    """Agent classes that this plugin brings."""
    return ()


@hookspec
def artkit_constraints() -> Sequence[type[Constraint]]:
    """Constraint classes that this plugin brings."""
    return ()


@hookspec
def artkit_data() -> Sequence[type[Data]]:
    """Data classes that this plugin brings."""
    return ()


@hookspec
def artkit_exporters() -> Sequence[type[Exporter]]:
    """Exporter classes that this plugin brings."""
    return ()


@hookspec
def artkit_trainers() -> Sequence[type[Trainer]]:
    """Trainer classes that this plugin brings."""
    return ()


@hookspec
def artkit_step(run: Any, step: int, losses: dict[str, float]) -> None:
    """Called after each step of a run: `run` is its `artkit.engine.run.Run`, `losses` the loss and each objective's value."""


@hookspec
def artkit_commands(cli: click.Group) -> None:
    """Add commands to the command line; import what they need inside them."""


@hookspec
def artkit_doctor() -> Sequence[tuple[str, str, str]]:
    """What this plugin needs on the machine, for ``artkit doctor``: (what, what was found or "", remedy)."""
    return ()
