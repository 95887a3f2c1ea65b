"""``artkit new-plugin``: write a small complete plugin package."""

from __future__ import annotations

from pathlib import Path

import click

from artkit.registry.plugin_registry import KIND_HOOKS


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KIND_HOOKS)), required=True, help="The kind of its component.")
def new_plugin(name: str, kind: str) -> None:
    """Write a plugin package with one component.

    The package NAME is small and complete: code, settings, tests, recipe and README.
    """
    from artkit.files import write_text
    from artkit.registry.scaffold import new_plugin_files, next_command

    folder = Path(name)
    for file, text in new_plugin_files(folder, kind).items():
        write_text(file, text)
        click.echo(str(file))
    click.echo(f"next:\n  pip install -e {folder}\n  {next_command(folder, kind)}", err=True)
