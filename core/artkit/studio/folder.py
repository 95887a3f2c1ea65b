"""The folder of a studio: safe paths, its runs, uploads, saved recipes and trash.

NAME/               a run, or a folder with runs
uploads/            uploaded pictures and painted masks
recipes/            recipes that were saved on the page
trash/              deleted runs, uploads and recipes
.studio/            token, address and lock of the server, sheet of brushes
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from artkit.engine.live_view import LIVE_FOLDER
from artkit.engine.run_folder import RECIPE_FILE
from artkit.errors import ArtkitError, UsageError
from artkit.files import cannot_write, write_text
from artkit.folder_lock import FolderLock

UPLOADS, RECIPES, TRASH, OWN = "uploads", "recipes", "trash", ".studio"

_MAX_DEPTH = 4  # of folders in which runs are looked for
_NAME = re.compile(r"[^\w.-]+")
_MAX_NAME = 80  # characters


class StudioFolder:
    """The folder of a studio. Paths that leave it, also by links, are refused."""

    def __init__(self, path: Path) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / OWN).mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise cannot_write(path / OWN, error) from None
        self.path = path.resolve()
        self._subfolder(RECIPES)  # relative paths in recipes start there
        self.lock = FolderLock(self.path / OWN)  # held by the server

    def inside(self, relative: str) -> Path:
        """Return the path of a file or folder below this one. Raises UsageError for any other, and for hidden ones."""
        parts = relative.split("/")
        if any(part in ("", ".", "..") or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
            raise UsageError(f"{relative} is not a path in the folder of the studio")
        path = self.path.joinpath(*parts)
        if path.resolve() != path:
            raise UsageError(f"{relative} is a link, or behind one")
        return path

    def run(self, name: str) -> Path:
        """Return the folder of a run. Raises UsageError if there is none of that name."""
        path = self.inside(name)
        if not is_run(path) or name.split("/")[0] in (UPLOADS, RECIPES, TRASH):
            raise UsageError(f"there is no run {name}")
        return path

    def runs(self) -> list[str]:
        """Return the names of all runs, such as ``photo`` or ``sweep/seed=1``."""
        return sorted(path.relative_to(self.path).as_posix() for path in self._find_runs(self.path, _MAX_DEPTH))

    def _find_runs(self, folder: Path, depth: int) -> Iterator[Path]:
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return
        for entry in entries:
            top = folder == self.path and entry.name in (UPLOADS, RECIPES, TRASH)
            if entry.name.startswith(".") or top or not entry.is_dir(follow_symlinks=False):
                continue
            path = Path(entry.path)
            if is_run(path):
                yield path
            elif depth > 1:
                yield from self._find_runs(path, depth - 1)

    def new_run(self, wanted: str) -> Path:
        """Create a folder for a new run: of the wanted name or, if there is one, NAME-2 and so on."""
        base = safe_name(wanted, "painting")
        number = 1
        while True:
            path = self.path / (base if number == 1 else f"{base}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                number += 1
                continue
            except OSError as error:
                raise cannot_write(path / RECIPE_FILE, error) from None
            return path

    def new_upload(self, name: str) -> Path:
        """Return the path of a new file for an upload, below `uploads`, that does not exist."""
        folder = self._subfolder(UPLOADS)
        stem, suffix = Path(safe_name(name, "picture")).stem, Path(safe_name(name, "picture")).suffix
        number = 1
        while (path := folder / f"{stem}{f'-{number}' if number > 1 else ''}{suffix}").exists():
            number += 1
        return path

    def recipe_file(self, name: str) -> Path:
        """Return the file of a saved recipe, whether there is one or not."""
        path = self._subfolder(RECIPES) / f"{safe_name(name, 'recipe')}.toml"
        if path.is_symlink():
            raise UsageError(f"{path.name} is a link")
        return path

    def saved_recipes(self) -> dict[str, Path]:
        """Return the recipes that were saved on the page by name."""
        return {file.stem: file for file, _ in regular_files(self.path / RECIPES) if file.suffix == ".toml"}

    def uploads(self) -> list[tuple[Path, os.stat_result]]:
        """Return the uploaded files with their status."""
        return regular_files(self.path / UPLOADS)

    def trashed(self) -> list[str]:
        """Return the names of the runs and files in the trash."""
        with contextlib.suppress(OSError):
            return sorted(os.listdir(self.path / TRASH))
        return []

    def _subfolder(self, name: str) -> Path:
        path = self.path / name
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(path / name, error) from None
        if path.is_symlink():
            raise UsageError(f"{name} is a link")
        return path

    def delete(self, name: str) -> str:
        """Move a run into the trash and return its name there. Raises UsageError while a process paints in it."""
        path = self.run(name)
        if FolderLock(path).is_held():
            raise UsageError(f"{name} is being painted", hint="stop it first")
        target = self._move_to_trash(path)
        shutil.rmtree(target / LIVE_FOLDER, ignore_errors=True)
        return target.name

    def delete_file(self, folder: str, name: str) -> str:
        """Move an upload or a saved recipe into the trash and return its name there. folder: that it is in."""
        path = self.inside(f"{folder}/{name}")
        if "/" in name or not path.is_file():
            raise UsageError(f"there is no file {name} in {folder}")
        return self._move_to_trash(path).name

    def _move_to_trash(self, path: Path) -> Path:
        trash = self._subfolder(TRASH)
        number, base = 1, path.relative_to(self.path).as_posix().replace("/", "~")
        while (target := trash / (base if number == 1 else f"{base}-{number}")).exists():
            number += 1
        try:
            path.rename(target)
        except OSError as error:
            raise cannot_write(target, error) from None
        return target

    def restore(self, trashed: str, name: str) -> None:
        """Move a run or file from the trash back to its place. Raises UsageError if there is something else now."""
        source, target = self.inside(f"{TRASH}/{trashed}"), self.inside(name)
        folder, _, rest = name.partition("/")
        is_file = source.is_file() and folder in (UPLOADS, RECIPES) and rest and "/" not in rest
        if not is_file and (not is_run(source) or folder in (UPLOADS, RECIPES, TRASH)):
            raise UsageError(f"there is no {trashed} in the trash that could be {name}")
        if target.exists():
            raise UsageError(f"there is a {name} again", hint=f"move {source} by hand")
        if not is_file and any(is_run(parent) or parent.is_file() for parent in _between(self.path, target)):
            raise UsageError(f"{name} is in another run")
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)

    def allows(self, file: Path, shipped: Path) -> bool:
        """Return whether a recipe from the page may name a file: one below this folder, or below that of artkit."""
        resolved = file.resolve()
        own = self.path / OWN
        return (resolved.is_relative_to(self.path) and not resolved.is_relative_to(own)) or resolved.is_relative_to(
            shipped.resolve()
        )

    def token(self) -> str:
        """Return the token of the server; a server that is started again has the same."""
        file = self.path / OWN / "token"
        try:
            return file.read_text(encoding="ascii").strip() or self._new_token(file)
        except (OSError, ValueError):
            return self._new_token(file)

    def _new_token(self, file: Path) -> str:
        token = secrets.token_urlsafe(24)
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(token)
        return token

    def write_port(self, port: int) -> None:
        """Remember the port of the server."""
        write_text(self.path / OWN / "server.json", json.dumps({"port": port}))

    def port(self) -> int | None:
        """Return the port of the last server; None if there was none."""
        try:
            return int(json.loads((self.path / OWN / "server.json").read_text(encoding="utf-8"))["port"])
        except (OSError, ValueError, TypeError, LookupError):
            return None

    def serving_address(self) -> str | None:
        """Return the address of the server of this folder; None if none is running."""
        if not self.lock.is_held():
            return None
        return f"http://127.0.0.1:{self.port()}/?token={self.token()}"


def is_run(path: Path) -> bool:
    """Return whether a folder is that of a run."""
    return (path / RECIPE_FILE).is_file() or (path / LIVE_FOLDER).is_dir()  # one that has not started yet


def regular_files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    """Return the files in a folder with their status, sorted by name: no links, hidden ones, or deleted ones."""
    found = []
    with contextlib.suppress(OSError):
        for file in sorted(folder.iterdir()) if not folder.is_symlink() else []:
            with contextlib.suppress(OSError):
                status = file.lstat()
                if stat.S_ISREG(status.st_mode) and not file.name.startswith("."):
                    found.append((file, status))
    return found


def modified_ns(path: Path) -> int:
    """Return when a file or folder has changed, ns since the epoch; 0 if there is none, or no more."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime_ns
    return 0


def _between(folder: Path, path: Path) -> list[Path]:
    """Return the folders below one folder in which a path is."""
    return [parent for parent in path.parents if parent.is_relative_to(folder) and parent != folder]


def safe_name(text: str, default: str) -> str:
    """Return a text as the name of a file or folder: letters, digits, dots, hyphens and underscores."""
    name = _NAME.sub("-", text.replace("\\", "/").rsplit("/", 1)[-1]).strip("-.")[:_MAX_NAME]
    if name.split(".")[0] in (UPLOADS, RECIPES, TRASH):
        name = f"{name}-1"
    return name or default


def plain_error(error: Exception) -> dict[str, str]:
    """Return an error as the page shows it."""
    if isinstance(error, ArtkitError):
        return {"error": error.message, "hint": error.hint}
    return {"error": str(error)}
