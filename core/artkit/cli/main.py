"""The command group `artkit`: registers the commands, and reports errors.

Commands import torch and other large packages inside their functions, so that ``artkit --help`` stays fast.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import click

from artkit.cli.doctor import doctor
from artkit.cli.examples import examples
from artkit.cli.export import export
from artkit.cli.failures import report
from artkit.cli.new_plugin import new_plugin
from artkit.cli.plugins import list_plugins
from artkit.cli.recipes import list_recipes
from artkit.cli.reproduce import reproduce
from artkit.cli.run import run
from artkit.cli.schema import print_schema
from artkit.cli.studio import studio
from artkit.cli.sweep import sweep
from artkit.registry.plugin_registry import get_registry
from artkit.version import __version__


class _Cli(click.Group):
    """Group that reports errors of the user as one message, and lets plugins add commands."""

    _plugins_loaded = False

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            ctx.exit(1)
        except BaseException as error:
            debug = bool(ctx.params.get("debug"))
            status = report(error, debug)
            if status is None:
                raise
            if debug:
                traceback.print_exc()
            ctx.exit(status)

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._load_plugin_commands()
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        self._load_plugin_commands()
        return super().get_command(ctx, cmd_name)

    def _load_plugin_commands(self) -> None:
        """Let plugins add their commands, once. They cannot replace built-in commands."""
        if self._plugins_loaded:
            return
        self._plugins_loaded = True
        builtin = dict(self.commands)
        for _ in get_registry().call_each("artkit_commands", cli=self):
            self.commands.update(builtin)


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__, prog_name="artkit")
def cli(debug: bool) -> None:
    """Paint pictures with brush strokes that are optimised by the gradient of a neural network."""


for command in (
    run,
    sweep,
    studio,
    export,
    examples,
    list_plugins,
    list_recipes,
    new_plugin,
    print_schema,
    reproduce,
    doctor,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line."""
    _open_closed_streams()
    cli()


def _open_closed_streams() -> None:
    """Open the standard streams that the parent process has closed, as null devices.

    Otherwise a file of a run gets the number of one of them, and what libraries print ends up in it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
