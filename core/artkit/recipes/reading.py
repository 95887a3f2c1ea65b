"""Read recipe files and settings, and merge them into one recipe."""

from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from artkit.config import LocatedStr
from artkit.errors import UsageError
from artkit.files import read_text
from artkit.recipes.merging import merge
from artkit.recipes.picture import with_picture
from artkit.recipes.recipe import Recipe, Tree
from artkit.recipes.shipped import shipped_recipes
from artkit.recipes.validation import validate_recipe

TOML_BEGINNINGS = ("[", "{", '"', "'")
"""How a list, a table and a string of TOML begin: a setting with such a value is meant as TOML."""


def read_recipe(
    recipes: Sequence[Path | Tree], settings: Sequence[str | Tree] = (), picture: Path | None = None
) -> Recipe:
    """Read recipes and settings, merge later ones over earlier ones, and validate the result.

    recipes: files, or trees as files would hold them. settings: lines of TOML such as ``steps=300``, or trees. picture:
    an image file to paint instead of the one that the recipes name; the recipe is named after both. Relative paths
    start at the file that names them; those of settings and trees at the current folder. Raises UsageError with all
    errors of the recipe.
    """
    tree = read_tree(recipes, settings, picture)
    name = next((recipe.stem for recipe in reversed(recipes) if isinstance(recipe, Path)), "painting")
    return validate_recipe(tree, f"{picture.stem}-{name}" if picture else name)


def read_tree(recipes: Sequence[Path | Tree], settings: Sequence[str | Tree] = (), picture: Path | None = None) -> Tree:
    """Read and merge recipes and settings as `read_recipe` does, without validating the result."""
    if not recipes:
        raise UsageError("no recipe was named", hint="`artkit recipes` lists those that ship with artkit")
    tree: Tree = {}
    for recipe in recipes:
        tree = merge(tree, _read_file(recipe) if isinstance(recipe, Path) else locate(recipe, Path.cwd()))
    if picture:
        tree = with_picture(tree, picture)
    for setting in settings:
        tree = merge(tree, locate(parse_setting(setting) if isinstance(setting, str) else setting, Path.cwd()))
    return tree


def _read_file(file: Path) -> Tree:
    try:
        text = read_text(file)
    except FileNotFoundError:
        copy = f"; `artkit recipes --copy {file.stem}` copies that recipe" if file.stem in shipped_recipes() else ""
        raise UsageError(f"there is no recipe {file}", hint=f"`artkit recipes` lists recipes{copy}") from None
    except IsADirectoryError:
        raise UsageError(f"{file} is a folder, not a recipe") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the recipe {file}: {error}") from None
    try:
        tree = tomllib.loads(text)
    except ValueError as error:
        raise UsageError(f"{file} is not valid TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{file} is not valid TOML: its lists or tables are nested too deeply") from None
    located: Tree = locate(tree, file.resolve().parent)
    return located


def parse_setting(setting: str) -> Tree:
    """Parse a setting of the command line, a line of TOML such as ``steps=300``.

    A value that is not TOML and does not begin like a string, a list or a table is taken as text: ``target=mine.jpg``.
    Raises UsageError if the setting cannot be parsed.
    """
    try:
        return tomllib.loads(setting)
    except (ValueError, RecursionError) as error:
        key, _, value = (part.strip() for part in setting.partition("="))
        if not value:
            raise UsageError(f"--set {setting}: it has no value", hint="write --set KEY=VALUE") from None
        if not value.startswith(TOML_BEGINNINGS):
            with contextlib.suppress(ValueError):
                return tomllib.loads(f"{key} = {json.dumps(value, ensure_ascii=False)}")
        raise UsageError(
            f"--set {setting}: {error}", hint="write it as in TOML, within the shell's quotes: --set 'size=[320, 240]'"
        ) from None


def locate(value: Any, folder: Path) -> Any:
    """Replace the strings in a tree by `LocatedStr`, which store the folder that relative paths start at.

    Those that are `LocatedStr` already keep their folder. Tuples and paths, which only trees from Python contain,
    become lists and strings, as TOML has them.
    """
    if isinstance(value, Mapping):
        return {key: locate(inner, folder) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [locate(inner, folder) for inner in value]
    if isinstance(value, Path):
        value = str(value)
    return LocatedStr(value, folder) if isinstance(value, str) and not isinstance(value, LocatedStr) else value
