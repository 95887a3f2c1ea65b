"""``artkit recipes``: list and copy the recipes that ship with artkit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click

from artkit.errors import UsageError
from artkit.recipes.run_times import have_measurements, run_times

_EXPLANATIONS = {
    True: "times on this machine: of the last run of a recipe or, with ~, estimated from the runs of others",
    False: "times on two CPU cores; after the first run they are estimated for this machine",
}
"""By whether there are measurements."""


@click.command("recipes")
@click.option("--copy", metavar="NAME", help="Copy a recipe, and the images it names, into the current folder.")
def list_recipes(copy: str | None) -> None:
    """List the recipes that ship with artkit, with the time that each takes."""
    from artkit.recipes.shipped import shipped_recipes

    shipped = {name: file.resolve() for name, file in shipped_recipes().items()}
    if copy is None:
        times = run_times()
        for name, file in shipped.items():
            click.echo(f"{name:<20} {times[name]:>7}  {_description(file)}")
        click.echo(_EXPLANATIONS[have_measurements()], err=True)
    elif copy in shipped:
        for file in _copy(shipped[copy]):
            click.echo(str(file))
    else:
        raise UsageError(f'there is no recipe "{copy}"', hint=f"there are: {', '.join(shipped)}")


def _description(recipe: Path) -> str:
    """Return the first comment of a recipe."""
    lines = recipe.read_text(encoding="utf-8").lstrip().splitlines()
    return next((line.lstrip("# ") for line in lines if line.startswith("# ")), "")


def _copy(recipe: Path) -> list[Path]:
    """Copy a recipe and the files that it names into the current folder; return the copies.

    Raises UsageError if that would replace a file; an identical copy of a named file is fine.
    """
    import tomllib

    from artkit.files import atomic
    from artkit.recipes.shipped import recipe_folder

    named = _named_files(tomllib.loads(recipe.read_text(encoding="utf-8")), recipe.parent)
    # Copies keep their relative paths. Files outside the recipe's folder are relative to the folder of all recipes.
    inside = all(path.is_relative_to(recipe.parent) for path in named)
    base = recipe.parent if inside else recipe_folder().resolve()
    destination = recipe.relative_to(base)
    copies = {destination: recipe} | {path.relative_to(base): path for path in named}
    for copy, source in copies.items():
        if copy.exists() and (copy == destination or copy.read_bytes() != source.read_bytes()):
            raise UsageError(f"{copy} is already here", hint="move it away first")
    for copy, source in reversed(copies.items()):  # the recipe last, when the files that it names are there
        with atomic(copy) as temporary:
            shutil.copyfile(source, temporary)
    return list(copies)


def _named_files(value: Any, folder: Path) -> list[Path]:
    """Return the files in a recipe's folder that a value of the recipe names."""
    if isinstance(value, dict):
        return [file for inner in value.values() for file in _named_files(inner, folder)]
    if isinstance(value, str) and "." in value and (folder / value).is_file():
        return [(folder / value).resolve()]
    return []
