"""Folders and glob patterns of files among the values of a sweep."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from artkit.errors import UsageError
from artkit.imaging.image_file import image_size
from artkit.recipes.recipe import BLOCKS, DEFAULT_TYPES, NAMED_BLOCKS, Tree
from artkit.registry.plugin_registry import get_registry

_FILE_FORMATS = ("path", "file-path")
_FILE_OR_FOLDER = "file-or-folder"


def names_file(recipe: Tree, keys: Sequence[str]) -> tuple[bool, bool]:
    """Return whether a setting of a recipe is a file, and whether it may also be a folder."""
    depth = 2 if keys[0] in NAMED_BLOCKS else 1
    if keys[0] not in (*BLOCKS, *NAMED_BLOCKS) or len(keys) != depth + 1:
        return False, False
    block: Any = recipe
    for key in keys[:depth]:
        block = block.get(key, {}) if isinstance(block, dict) else {}
    name = block.get("type", DEFAULT_TYPES.get(keys[0])) if isinstance(block, dict) else None
    component = get_registry().components(keys[0]).get(name) if isinstance(name, str) else None
    if component is None:
        return False, False
    setting = component.component.Config.model_json_schema()["properties"].get(keys[-1], {})
    formats = {choice.get("format") for choice in (setting, *setting.get("anyOf", ()))}
    return bool(formats & {*_FILE_FORMATS, _FILE_OR_FOLDER}), _FILE_OR_FOLDER in formats


def expand(values: Sequence[Any], option: str, folders_allowed: bool, skipped: list[Path]) -> Iterator[Any]:
    """Yield the values of a setting that is a file, with the files of folders and glob patterns in their place.

    Files that are no pictures are left out and appended to `skipped`; a pattern that matches no picture stands for all
    files that it matches. option: begins an error message. folders_allowed: whether a folder is a value of its own.
    Raises UsageError for a folder without pictures and a pattern without matches.
    """
    for value in values:
        path = Path(value).expanduser() if isinstance(value, str) else Path()
        if not isinstance(value, str) or path.is_file():
            yield value
        elif path.is_dir() and not folders_allowed:
            files = [file for file in sorted(path.iterdir()) if file.is_file() and not file.name.startswith(".")]
            pictures = [file for file in files if is_picture(file)]
            if not pictures:
                contents = "is empty" if not files else "contains no pictures"
                raise UsageError(
                    f"{option}the folder {path} {contents}", hint="name files by a pattern: 'folder/*.jpg'"
                )
            skipped += [file for file in files if file not in pictures]
            yield from map(str, pictures)
        elif not path.exists() and glob.has_magic(value):
            matches = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
            files = [match for match in matches if match.is_file()]
            if not files:
                raise UsageError(f"{option}no file matches {value}")
            pictures = [file for file in files if is_picture(file)] or files
            skipped += [file for file in files if file not in pictures]
            yield from map(str, pictures)
        else:
            yield value


def is_picture(file: Path) -> bool:
    """Return whether a file begins as an image file does. It may still be damaged."""
    try:
        image_size(file)
    except UsageError:
        return False
    return True
