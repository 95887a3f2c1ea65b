"""``artkit schema``: print the JSON Schema of recipes."""

from __future__ import annotations

import json

import click


@click.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of recipes.

    It includes all installed plugins. Editors use it for completion and validation.
    """
    from artkit.recipes.schema import recipe_schema

    click.echo(json.dumps(recipe_schema(), indent=1))
