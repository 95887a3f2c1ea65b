"""MyPaint: its brushes, the geometry of its strokes, and the renderer that paints with the real program (paper §2.1)."""

from __future__ import annotations

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_renderers() -> Sequence[type]:
    """`mypaint`."""
    from artkit_mypaint.mypaint import MyPaint

    return (MyPaint,)


@hookimpl
def artkit_doctor() -> Sequence[tuple[str, str, str]]:
    """libmypaint and its brushes."""
    from artkit_mypaint import libmypaint
    from artkit_mypaint.brush_files import brush_folders, brush_names

    hint = "Debian or Ubuntu: apt install {}; macOS: brew install {}"
    library_hint = hint.format("libmypaint-1.5-1", "libmypaint")
    name = libmypaint.find()
    try:
        library = f"{name}, loaded" if name and libmypaint.library() else ""
    except libmypaint.MyPaintMissing as missing:
        library, library_hint = "", f"{missing}"
    brushes, folders = brush_names(), ", ".join(str(folder) for folder in brush_folders())
    return (
        ("libmypaint", library, library_hint),
        (
            "brushes",
            f"{len(brushes)} in {folders}" if brushes else "",
            hint.format("mypaint-brushes", "mypaint-brushes"),
        ),
    )
