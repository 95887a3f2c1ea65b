"""Uploads, recipes that were saved on the page, and the trash."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path
from typing import Any

from artkit.errors import UsageError
from artkit.files import read_text
from artkit.recipes.picture import is_clip
from artkit.recipes.recipe import Tree
from artkit.studio.folder import RECIPES, UPLOADS, StudioFolder
from artkit.studio.painting_form import is_animated
from artkit.studio.recipes import StudioRecipes, texts
from artkit.studio.watching import Watcher


class StoredFiles:
    """The files of a studio that belong to no run. All methods raise ArtkitError for what is not possible."""

    def __init__(self, folder: StudioFolder, watcher: Watcher, recipes: StudioRecipes) -> None:
        self.folder, self.watcher, self.recipes = folder, watcher, recipes

    def list_files(self) -> dict[str, Any]:
        """Return the uploads, the last one first, each with what names it; the saved recipes; and the trash."""
        named = self._named_files()
        uploads = [
            {
                "name": file.name,
                "path": f"../{UPLOADS}/{file.name}",
                "bytes": status.st_size,
                "version": status.st_mtime_ns // 1_000_000,
                "is_clip": is_clip(file) or is_animated(file),
                "used_by": sorted(name for name, files in named.items() if file in files),
            }
            for file, status in self.folder.uploads()
        ]
        recipes = [choice for choice in self.recipes.choices() if choice["saved"]]
        return {
            "uploads": sorted(uploads, key=lambda upload: -upload["version"]),
            "recipes": recipes,
            "trash": self.folder.trashed(),
        }

    def _named_files(self) -> dict[str, set[Path]]:
        """Return the files that runs and saved recipes may name, by what shows their names on the page."""
        trees: dict[str, Tree] = {}
        for name in self.folder.runs():
            with contextlib.suppress(UsageError):  # deleted meanwhile
                trees[name] = self.watcher.reader(name).recipe()
        trees |= {f"recipe {name}": _read(file) for name, file in self.folder.saved_recipes().items()}
        return {
            name: {path for _, text in texts(tree) if "/" in text and (path := self.recipes.path(text))}
            for name, tree in trees.items()
        }

    def delete_upload(self, name: str) -> dict[str, Any]:
        """Move an upload into the trash."""
        return {"trashed": self.folder.delete_file(UPLOADS, name)}

    def delete_recipe(self, name: str) -> dict[str, Any]:
        """Move a saved recipe into the trash."""
        return {"trashed": self.folder.delete_file(RECIPES, f"{name}.toml")}

    def restore(self, trashed: str, name: str) -> dict[str, Any]:
        """Move a run or file back from the trash. name: of the run, or the path of the file in the folder."""
        self.folder.restore(trashed, name)
        return {"name": name}


def _read(file: Path) -> Tree:
    try:
        return tomllib.loads(read_text(file))
    except (OSError, ValueError, RecursionError):
        return {}
