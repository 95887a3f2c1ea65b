"""The command group `artkit`: registers the commands, and reports errors.

Commands import torch and other large packages inside their functions, so that ``artkit --help`` stays fast.
"""

from __future__ import annotations

import errno
import traceback
from pathlib import Path
from typing import Any

import click

from artkit.cli.doctor import doctor
from artkit.cli.examples import examples
from artkit.cli.export import export
from artkit.cli.new_plugin import new_plugin
from artkit.cli.plugins import list_plugins
from artkit.cli.recipes import list_recipes
from artkit.cli.reproduce import reproduce
from artkit.cli.run import run
from artkit.cli.schema import print_schema
from artkit.cli.studio import studio
from artkit.cli.sweep import sweep
from artkit.errors import ArtkitError
from artkit.files import cannot_write
from artkit.registry.plugin_registry import get_registry
from artkit.version import __version__

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG)
"""Errors for which the disk is to blame, also where a library writes."""


class _Cli(click.Group):
    """Group that reports errors of the user as one message, and lets plugins add commands."""

    _plugins_loaded = False

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ArtkitError as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            else:
                click.echo(f"artkit: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("artkit: stopped", err=True)
            ctx.exit(1)
        except BrokenPipeError:
            ctx.exit(1)
        except OSError as error:
            if ctx.params.get("debug") or error.errno not in _DISK_ERRORS:
                _name_responsible_package(error)
                raise
            click.echo(f"artkit: {cannot_write(Path(error.filename or '.'), error)}", err=True)
            ctx.exit(1)
        except Exception as error:
            if not _is_out_of_memory(error) or ctx.params.get("debug"):
                _name_responsible_package(error)
                raise
            click.echo("artkit: not enough memory\n  choose a smaller size, or fewer strokes", err=True)
            ctx.exit(1)

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


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in ("allocate memory", "out of memory"))


def _name_responsible_package(error: Exception) -> None:
    """Add a note to the traceback of a bug in a third-party plugin."""
    if package := get_registry().responsible_package(error):
        error.add_note(
            f"artkit: this was raised by the plugin of the package {package}; please report it to its author"
        )


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
    cli()
