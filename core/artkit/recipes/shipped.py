"""The recipes that ship with artkit."""

from __future__ import annotations

import os
from pathlib import Path

_ABLATIONS = "ablation/"


def recipe_folder() -> Path:
    """Return the folder of the shipped recipes: inside the installed package, or at the root of a checkout."""
    installed = Path(__file__).parents[1] / "shipped_recipes"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """Return the shipped recipes by name, such as ``photo`` or ``train/gan``."""
    return {name: file for name, file in _shipped_files().items() if not name.startswith(("targets/", _ABLATIONS))}


def shipped_ablations() -> dict[str, Path]:
    """Return the shipped ablations by name, such as ``ablation/views``: tables `[sweep]` for another recipe."""
    return {name: file for name, file in _shipped_files().items() if name.startswith(_ABLATIONS)}


def find_recipe(recipe: Path) -> Path:
    """Return the file of a recipe. A bare name that is not a file is looked up among those that ship with artkit."""
    if os.path.isfile(recipe) or recipe.suffix:
        return recipe
    return (shipped_recipes() | shipped_ablations()).get(recipe.as_posix(), recipe)


def _shipped_files() -> dict[str, Path]:
    """Return all shipped TOML files by name. The folder ``targets`` holds files that recipes name, and no recipes."""
    base = recipe_folder()
    return {file.relative_to(base).with_suffix("").as_posix(): file for file in sorted(base.rglob("*.toml"))}
