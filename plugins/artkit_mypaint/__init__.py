"""MyPaint plugin: brushes, stroke geometry, the brush engine, and the renderers that paint with it (paper §2.1)."""

from __future__ import annotations

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_renderers() -> Sequence[type]:
    """Register the renderers `mypaint` and `libmypaint`."""
    from artkit_mypaint.libmypaint_renderer import LibMyPaint
    from artkit_mypaint.mypaint import MyPaint

    return (MyPaint, LibMyPaint)


@hookimpl
def artkit_doctor() -> Sequence[tuple[str, str, str]]:
    """Report whether libmypaint and its brushes are installed."""
    from artkit_mypaint import libmypaint
    from artkit_mypaint.brush_files import brush_folders, brush_names

    hint = "Debian or Ubuntu: apt install {}; macOS: brew install {}"
    library_hint = hint.format("libmypaint-1.5-1", "libmypaint")
    name = libmypaint.find()
    try:
        library = f"{name}, loaded" if name and libmypaint.library() else ""
    except libmypaint.MyPaintMissing as error:
        library, library_hint = "", f"{error}"
    brushes, folders = brush_names(), ", ".join(str(folder) for folder in brush_folders())
    return (
        ("libmypaint", library, library_hint),
        (
            "brushes",
            f"{len(brushes)} in {folders}" if brushes else "",
            hint.format("mypaint-brushes", "mypaint-brushes"),
        ),
    )
