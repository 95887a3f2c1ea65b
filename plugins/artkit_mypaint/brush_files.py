"""TODO: artkit_mypaint.brush_files."""

from __future__ import annotations

import difflib
import os
from functools import cache
from pathlib import Path

from artkit import UsageError
from artkit_mypaint import libmypaint as libmypaint
from artkit_mypaint.libmypaint import MyPaintMissing


@cache
def brush_folders() -> tuple[Path, ...]:
    """The folders that hold brushes, most particular first."""
    data = [Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local/share"))]
    data += [Path(p) for p in os.environ.get("XDG_DATA_DIRS", "/usr/local/share:/usr/share").split(":") if p]
    data += [Path("/opt/homebrew/share")]
    folders = [Path(p) for p in os.environ.get("ARTKIT_BRUSHES", "").split(":") if p]
    folders += [Path.home() / ".mypaint/brushes"]
    for base in data:
        folders += [base / "mypaint/brushes", *sorted(base.glob("mypaint-data/*/brushes"), reverse=True)]
    return tuple(dict.fromkeys(folder for folder in folders if folder.is_dir()))


def brush_names() -> list[str]:
    """The brushes that are installed, such as ``classic/dry_brush``."""
    names = (str(p.relative_to(f).with_suffix("")) for f in brush_folders() for p in f.rglob("*.myb"))
    return sorted(set(names))


def find_brush(name: str) -> Path:
    """The file of a brush: a name such as ``classic/dry_brush``, or a path to a ``.myb`` file.

    Raises EngineMissing if no brushes are installed, UsageError with the nearest names if this one is not.
    """
    if name.endswith(".myb") and Path(name).is_file():
        return Path(name)
    for folder in brush_folders():
        if (path := folder / f"{name}.myb").is_file():
            return path
    if not (names := brush_names()):
        raise MyPaintMissing(
            "no MyPaint brushes are installed",
            hint="Debian or Ubuntu: apt install mypaint-brushes; macOS: brew install mypaint-brushes",
        )
    near = difflib.get_close_matches(name, names, n=3) or [n for n in names if name.split("/")[-1] in n][:3]
    raise UsageError(f'there is no brush "{name}"', hint=f"near it: {', '.join(near)}" if near else "")
