"""MyPaint plugin: brushes, stroke geometry, the brush engine, and the renderers that paint with it (paper §2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from artkit import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def artkit_renderers() -> Sequence[type]:
    """Register the renderers `mypaint` and `libmypaint`."""
    from artkit_mypaint.libmypaint_renderer import LibMyPaint
    from artkit_mypaint.mypaint import MyPaint

    return (MyPaint, LibMyPaint)


@hookimpl
def artkit_commands(cli: click.Group) -> None:
    """Add the command `brushes`."""
    from artkit_mypaint.brush_catalogue import brushes

    cli.add_command(brushes)


@hookimpl
def artkit_doctor() -> Sequence[tuple[str, str, str]]:
    """Report the brushes, and whether libmypaint is installed, which only the renderer `libmypaint` needs."""
    from artkit_mypaint import libmypaint
    from artkit_mypaint.brush_files import brush_folders, brush_names

    hint = "for comparison; Debian or Ubuntu: apt install libmypaint-1.5-1; macOS: brew install libmypaint"
    name = libmypaint.find()
    try:
        library = f"{name}, loaded" if name and libmypaint.library() else ""
    except libmypaint.MyPaintMissing as error:
        library, hint = "", f"{error}"
    folders = ", ".join(str(folder) for folder in brush_folders())
    return (
        ("brushes", f"{len(brush_names())} in {folders}", ""),
        ("libmypaint (optional)", library, hint),
    )
