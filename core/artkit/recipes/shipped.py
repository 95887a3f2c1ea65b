"""The recipes that ship with artkit."""

from __future__ import annotations

import os
from pathlib import Path


def recipe_folder() -> Path:
    """Return the folder of the shipped recipes: inside the installed package, or at the root of a checkout."""
    installed = Path(__file__).parents[1] / "shipped_recipes"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """Return the shipped recipes by name, such as ``photo`` or ``train/gan``.

    The folder ``targets`` holds files that recipes name, and no recipes.
    """
    base = recipe_folder()
    names = {file.relative_to(base).with_suffix("").as_posix(): file for file in sorted(base.rglob("*.toml"))}
    return {name: file for name, file in names.items() if not name.startswith("targets/")}


def find_recipe(recipe: Path) -> Path:
    """Return the file of a recipe. A bare name that is not a file is looked up among the shipped recipes."""
    if os.path.isfile(recipe) or recipe.suffix:
        return recipe
    return shipped_recipes().get(recipe.as_posix(), recipe)
