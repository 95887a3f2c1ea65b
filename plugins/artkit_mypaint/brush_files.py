"""Find brush files (``.myb``): those that ship with artkit, and those that the user or MyPaint has installed."""

from __future__ import annotations

import difflib
import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from artkit import UsageError
from artkit.config import LocatedStr

SHIPPED = Path(__file__).parent / "brushes"
"""The folder of the brushes that ship with artkit."""


@cache
def brush_folders() -> tuple[Path, ...]:
    """Return the existing folders that hold brushes, in the order in which they are searched.

    The order is: ``$ARTKIT_BRUSHES``, the user's MyPaint folder, the brushes of artkit, the folders of the system.
    """
    data = [Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local/share"))]
    data += [Path(p) for p in os.environ.get("XDG_DATA_DIRS", "/usr/local/share:/usr/share").split(":") if p]
    data += [Path("/opt/homebrew/share")]
    folders = [Path(p) for p in os.environ.get("ARTKIT_BRUSHES", "").split(":") if p]
    folders += [Path.home() / ".mypaint/brushes", SHIPPED]
    for base in data:
        folders += [base / "mypaint/brushes", *sorted(base.glob("mypaint-data/*/brushes"), reverse=True)]
    return tuple(dict.fromkeys(folder for folder in folders if folder.is_dir()))


def brush_names() -> list[str]:
    """Return the sorted names of all brushes, such as ``classic/dry_brush``, whether artkit supports them or not."""
    names = (p.relative_to(f).with_suffix("").as_posix() for f in brush_folders() for p in f.rglob("*.myb"))
    return sorted(set(names))


def find_brush(name: str) -> Path:
    """Return the file of a brush. name: a name such as ``classic/dry_brush``, or the path of a ``.myb`` file.

    Raises UsageError with similar names if there is no such brush.
    """
    if name.endswith(".myb") and os.path.isfile(name):
        return Path(name)
    for folder in brush_folders():
        if os.path.isfile(path := folder / f"{name}.myb"):
            return path
    names = brush_names()
    similar = difflib.get_close_matches(name, names, n=3) or [n for n in names if name.split("/")[-1] in n][:3]
    hint = f"did you mean {', '.join(similar)}?" if similar else "`artkit brushes` lists the brushes there are"
    raise UsageError(f'there is no brush "{name}"', hint=hint)


def full_brush_name(name: str) -> str:
    """Return the full name of a brush: ``classic/charcoal`` for ``charcoal``.

    Of several brushes with one name, that of the folder ``classic`` is meant. Names of folders and files, and unknown
    names, are returned as they are. Raises ValueError if several brushes of other folders have the name.
    """
    if "/" in name or name.endswith(".myb"):
        return name
    short = name.strip().lower().replace(" ", "_")
    matches = [full for full in brush_names() if full.rpartition("/")[2].lower() == short]
    if (classic := f"classic/{short}") in matches:
        return classic
    if len(matches) > 1:
        raise ValueError(f"several brushes are called {name}: {', '.join(matches)}")
    return matches[0] if matches else name


def _resolve_path(name: Any) -> Any:
    if isinstance(name, LocatedStr) and name.endswith(".myb"):
        return str(name.folder / Path(name).expanduser())
    return name


BrushName = Annotated[str, BeforeValidator(_resolve_path), AfterValidator(full_brush_name)]
"""The setting of a brush: its name, its name without the folder, or the path of a ``.myb`` file."""
