"""The hooks of artkit, for built-in and third-party plugins.

A plugin is a module named by an entry point of the group ``artkit``. It marks its hook functions with `hookimpl`, and
imports its components inside them so that discovery stays fast.
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
    from artkit.interfaces.executor import Executor
    from artkit.interfaces.exporter import Exporter
    from artkit.interfaces.objective import Objective
    from artkit.interfaces.renderer import Renderer
    from artkit.interfaces.trainer import Trainer

GROUP = "artkit"
"""The entry-point group, and the project name of pluggy."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)
"""Mark a function of a plugin as a hook of artkit, by its name.

Examples:
    >>> import artkit
    >>> @artkit.hookimpl
    ... def artkit_step(run, step, losses):
    ...     print(step, losses["loss"])
"""


@hookspec
def artkit_renderers() -> Sequence[type[Renderer]]:
    """Return the renderer classes of this plugin."""
    return ()


@hookspec
def artkit_canvases() -> Sequence[type[Canvas]]:
    """Return the canvas classes of this plugin."""
    return ()


@hookspec
def artkit_objectives() -> Sequence[type[Objective]]:
    """Return the objective classes of this plugin."""
    return ()


@hookspec
def artkit_agents() -> Sequence[type[Agent]]:
    """Return the agent classes of this plugin."""
    return ()


@hookspec
def artkit_constraints() -> Sequence[type[Constraint]]:
    """Return the constraint classes of this plugin."""
    return ()


@hookspec
def artkit_data() -> Sequence[type[Data]]:
    """Return the data classes of this plugin."""
    return ()


@hookspec
def artkit_exporters() -> Sequence[type[Exporter]]:
    """Return the exporter classes of this plugin."""
    return ()


@hookspec
def artkit_trainers() -> Sequence[type[Trainer]]:
    """Return the trainer classes of this plugin."""
    return ()


@hookspec
def artkit_executors() -> Sequence[type[Executor]]:
    """Return the executor classes of this plugin."""
    return ()


@hookspec
def artkit_step(run: Any, step: int, losses: dict[str, float]) -> None:
    """Called after each step of a run.

    run: the `artkit.engine.run.Run`. step: the index of the finished step, from 0. losses: the loss, and the value of
    each objective by its name.
    """


@hookspec
def artkit_commands(cli: click.Group) -> None:
    """Add commands to the command line. What a command needs should be imported inside it."""


@hookspec
def artkit_doctor() -> Sequence[tuple[str, str, str]]:
    """Return the system requirements of this plugin, for ``artkit doctor``.

    One tuple for each: its name, what was found ("" if it is missing), and a hint how to install it.
    """
    return ()
