"""Recipes from the page: what they may name, their errors by field, and the recipes to choose from."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import tomli_w

from artkit.config import LocatedStr
from artkit.errors import UsageError
from artkit.files import read_text, write_text
from artkit.recipes.picture import PICTURE_RECIPE, with_picture
from artkit.recipes.reading import locate
from artkit.recipes.recipe import RECORD, Tree
from artkit.recipes.run_times import run_times
from artkit.recipes.shipped import recipe_folder, shipped_recipes
from artkit.recipes.validation import RecipeError, validate_recipe
from artkit.studio.folder import RECIPES, StudioFolder

MAX_RECIPE_BYTES = 1 << 20
STYLES = "style/"
"""Prefix of the names of recipes that are styles."""
SAMPLES = Path(__file__).parent / "static" / "recipes"
"""Folder of pictures that shipped recipes paint, by `sample_file`; ``python docs/studio_pictures.py --samples``."""


class StudioRecipes:
    """Recipes of a studio. Relative paths in them start at its folder `recipes`, where they are saved."""

    def __init__(self, folder: StudioFolder) -> None:
        self.folder, self.base = folder, folder.path / RECIPES

    def parse(self, text: str) -> Tree:
        """Return the tree of a recipe in TOML. Raises UsageError if it is not valid TOML, or too long."""
        if len(text.encode()) > MAX_RECIPE_BYTES:
            raise UsageError(f"the recipe has more than {MAX_RECIPE_BYTES} bytes")
        try:
            tree: Tree = locate(tomllib.loads(text), self.base)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"this is not valid TOML: {error}") from None
        return tree

    def check(self, tree: Tree, name: str = "painting") -> list[dict[str, str]]:
        """Return the errors of a recipe: place and message each; the place is empty for one of the whole recipe."""
        return self.forbidden(tree) or self.errors(tree, name)

    def errors(self, tree: Tree, name: str = "painting") -> list[dict[str, str]]:
        """Return the errors of a recipe, as `check` does, whatever files it names."""
        try:
            validate_recipe(tree, name)
        except RecipeError as error:
            return [_error(line) for line in error.errors]
        except UsageError as error:
            return [{"place": "", "message": error.message}]
        return []

    def forbidden(self, tree: Tree) -> list[dict[str, str]]:
        """Return an error for each text that, as a path, leaves the folder of the studio and the recipes of artkit.

        It does not matter whether the setting is a path, so that this holds for the settings of all plugins.
        """
        return [
            {"place": place, "message": f"only files below {self.folder.path} and those of artkit can be used"}
            for place, text in texts(tree)
            if not self._allowed(text)
        ]

    def _allowed(self, text: str) -> bool:
        base = text.folder if isinstance(text, LocatedStr) else self.base
        try:
            return self.folder.allows(base / Path(text).expanduser(), recipe_folder())
        except (OSError, ValueError, RuntimeError):  # as of a null character, or a user that there is not
            return "/" not in text and "~" not in text

    def absolute(self, tree: Tree) -> Tree:
        """Return a recipe in which the paths of existing files and folders are absolute."""
        return dict(_map_texts(tree, lambda text: str(path) if (path := self._existing(text)) else str(text)))

    def tidy(self, tree: Tree) -> Tree:
        """Return a recipe in which paths below the folder of the studio start at its folder `recipes`."""

        def shorten(text: str) -> str:
            path = self._existing(text)
            if path is None:
                return str(text)
            return os.path.relpath(path, self.base) if path.is_relative_to(self.folder.path) else str(path)

        return dict(_map_texts(tree, shorten))

    def _existing(self, text: str) -> Path | None:
        """Return the file or folder that a text names; only texts with a dot or a slash count."""
        path = self.path(text)
        return path if path and ("." in text or "/" in text) and path.exists() else None

    def path(self, text: str) -> Path | None:
        """Return the path that a text in a recipe names; None if it cannot be one."""
        base = text.folder if isinstance(text, LocatedStr) else self.base
        try:
            return (base / Path(text).expanduser()).resolve()
        except (OSError, ValueError, RuntimeError):
            return None

    def choices(self) -> list[dict[str, Any]]:
        """Return the recipes to choose from: name, description, time, whether it was saved on the page, what it paints
        (`paints`), and the file of a picture that it paints, "" if there is none.
        """
        times = run_times()
        saved = [self._choice(name, file, "", True) for name, file in self.folder.saved_recipes().items()]
        shipped = [self._choice(name, file, times.get(name, ""), False) for name, file in shipped_recipes().items()]
        return saved + sorted(shipped, key=_order)

    def _choice(self, name: str, file: Path, time: str, saved: bool) -> dict[str, Any]:
        sample = "" if saved or not (SAMPLES / sample_file(name)).exists() else sample_file(name)
        description = {"name": name, "description": _description(file), "time": time, "saved": saved, "sample": sample}
        try:
            return {**description, "paints": paints(tomllib.loads(read_text(file)))}
        except (OSError, ValueError, RecursionError):
            return {**description, "paints": ""}

    def load(self, name: str, saved: bool, picture: Path | None = None) -> Tree:
        """Return a recipe to begin with, painting another picture if one is named. Raises UsageError."""
        known = self.folder.saved_recipes() if saved else shipped_recipes()
        if name not in known:
            raise UsageError(f"there is no recipe {name}")
        try:
            tree: Tree = locate(tomllib.loads(read_text(known[name])), known[name].resolve().parent)
        except (OSError, ValueError, RecursionError) as error:
            raise UsageError(f"the recipe {name} cannot be read: {error}") from None
        tree = with_picture(tree, picture) if picture else tree
        return self.tidy({key: value for key, value in tree.items() if key != RECORD})

    def save(self, name: str, text: str, replace: bool) -> str:
        """Save a recipe as it was written, and return its name. Raises UsageError if there is one of that name."""
        self.parse(text)
        file = self.folder.recipe_file(name)
        if file.exists() and not replace:
            raise UsageError(f"there is a recipe {file.stem} already", hint="choose another name")
        write_text(file, text)
        return file.stem


def _order(choice: dict[str, Any]) -> tuple[bool, bool, str]:
    """Return a key that sorts recipes: that of photos, the styles, the others."""
    name = str(choice["name"])
    return name != PICTURE_RECIPE, not name.startswith(STYLES), name


def sample_file(name: str) -> str:
    """Return the name of the file with a picture that a shipped recipe paints."""
    return f"{name.replace('/', '-')}.jpg"


def paints(tree: Tree) -> Literal["picture", "clip", ""]:
    """Return what a recipe paints that can be replaced by another one."""
    try:
        with_picture(tree, Path("picture.png"))
    except UsageError:
        return ""
    return "clip" if "film" in tree else "picture"


def to_toml(tree: Tree) -> str:
    """Return a tree as TOML."""
    return tomli_w.dumps(tree)


def _error(line: str) -> dict[str, str]:
    place, separator, message = line.partition(": ")
    return {"place": place, "message": message} if separator else {"place": "", "message": line}


def _description(file: Path) -> str:
    try:
        lines = read_text(file).splitlines()
    except (OSError, ValueError):
        return ""
    return next((line.lstrip("# ") for line in lines if line.startswith("# ")), "")


def texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts in a recipe with their places, except those of its record."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if place or key != RECORD:
                yield from texts(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner, place)
    elif isinstance(value, str):
        yield place, value


def _map_texts(value: Any, change: Any) -> Any:
    if isinstance(value, dict):
        return {key: _map_texts(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_map_texts(inner, change) for inner in value]
    return change(value) if isinstance(value, str) else value
