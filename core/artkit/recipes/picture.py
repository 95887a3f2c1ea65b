"""Painting another picture than the one that a recipe names."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from artkit.config import LocatedStr
from artkit.errors import UsageError
from artkit.recipes.recipe import Tree, film_stand_in
from artkit.registry.plugin_registry import get_registry

PICTURE_RECIPE, CLIP_RECIPE = "photo", "film"
"""The recipes that paint a picture and a clip for which no recipe is named."""

_SNIFFED_BYTES = 4096


def is_picture(file: Path) -> bool:
    """Return whether an argument of the command line is an image or a video, rather than a recipe.

    Known by its extension or, if it has none or an unknown one, by bytes that no text has.
    """
    if (mimetypes.guess_type(file.name)[0] or "").startswith("image/") or is_clip(file):
        return True
    if file.suffix.lower() == ".toml" or not os.path.isfile(file):
        return False
    with file.open("rb") as stream:
        return b"\0" in stream.read(_SNIFFED_BYTES)


def is_clip(path: Path) -> bool:
    """Return whether an argument of the command line is a video, by its extension, or a folder of frames."""
    return path.is_dir() or (mimetypes.guess_type(path.name)[0] or "").startswith("video/")


def recipes_and_pictures(arguments: Sequence[Path], folders: bool = False) -> tuple[list[Path], list[Path]]:
    """Divide the arguments of a command into recipes and pictures.

    If there are pictures alone, the recipe is `PICTURE_RECIPE`, or `CLIP_RECIPE` for a clip. folders: whether a folder
    stands for the pictures in it.
    """
    pictures = [argument for argument in arguments if is_picture(argument)]
    recipes = [argument for argument in arguments if argument not in pictures]
    clip = len(pictures) == 1 and is_clip(pictures[0]) and not (folders and pictures[0].is_dir())
    default = [Path(CLIP_RECIPE if clip else PICTURE_RECIPE)]
    return recipes or (default if pictures else []), pictures


def with_picture(tree: Tree, picture: Path) -> Tree:
    """Return a recipe that paints `picture`: it replaces the target of the first objective that has one.

    If other settings name the same file, such as the image of a palette, it replaces them too. In a recipe of a film it
    is the clip, and may be a folder of frames. The recipe need not be valid. Raises UsageError if no objective has a
    target.
    """
    if isinstance(film := tree.get("film"), Mapping):
        tree = {**tree, "film": {**film, "clip": LocatedStr(str(picture), Path.cwd())}}
        picture = film_stand_in(picture)
    elif picture.is_dir():
        raise UsageError(f"{picture} is a folder, not a picture", hint="`artkit run film FOLDER` paints its frames")
    value = LocatedStr(str(picture), Path.cwd())
    blocks = _blocks_with_target(tree)
    if not blocks:
        raise UsageError(
            f"this recipe paints no picture, so it has no use for {picture}",
            hint="choose one that does, such as photo; `artkit recipes` lists them",
        )
    first = next(iter(blocks.values())).get("target")
    replaced: Tree = _replace(tree, _resolve(first), value) if isinstance(first, str) else tree
    without = {name: {**block, "target": value} for name, block in blocks.items() if "target" not in block}
    return {**replaced, "objective": {**replaced["objective"], **without}}


def _blocks_with_target(tree: Tree) -> dict[str, Mapping[str, Any]]:
    """Return the tables of the objectives that have a target, or need one, by name."""
    objectives = tree.get("objective")
    if "data" in tree or not isinstance(objectives, Mapping):
        return {}
    known = get_registry().components("objective")
    blocks = {}
    for name, block in objectives.items():
        if isinstance(block, Mapping):
            kind = block.get("type")
            entry = known.get(kind) if isinstance(kind, str) else None
            field = entry.component.Config.model_fields.get("target") if entry else None
            if "target" in block or (field and field.is_required()):
                blocks[name] = block
    return blocks


def _replace(value: Any, file: Path, replacement: LocatedStr) -> Any:
    """Return a tree in which all strings that name a file are replaced."""
    if isinstance(value, Mapping):
        return {key: _replace(inner, file, replacement) for key, inner in value.items()}
    return replacement if isinstance(value, str) and _resolve(value) == file else value


def _resolve(text: str) -> Path:
    base = text.folder if isinstance(text, LocatedStr) else Path.cwd()
    path = base / os.path.expanduser(text)
    return path if "\0" in text else path.resolve()
