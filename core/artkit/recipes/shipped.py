"""TODO: artkit.recipes.shipped."""

from __future__ import annotations

from pathlib import Path


def recipe_folder() -> Path:
    """Where the recipes that ship with artkit lie: inside the installed package, or at the root of a checkout."""
    inside = Path(__file__).parents[1] / "shipped_recipes"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """The recipes that ship with artkit by name, such as ``photo`` or ``train/gan``. What they name lies in
    the folder ``targets``.
    """
    base = recipe_folder()
    names = {file.relative_to(base).with_suffix("").as_posix(): file for file in sorted(base.rglob("*.toml"))}
    return {name: file for name, file in names.items() if not name.startswith("targets/")}


def find_recipe(recipe: Path) -> Path:
    """A recipe's file; a bare name that is no file here is one that ships with artkit."""
    if recipe.is_file() or recipe.suffix:
        return recipe
    return shipped_recipes().get(recipe.as_posix(), recipe)
