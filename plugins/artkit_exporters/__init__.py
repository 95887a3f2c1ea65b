"""Exporters, selected by the extension of the file."""

from collections.abc import Sequence

from artkit import hookimpl


@hookimpl
def artkit_exporters() -> Sequence[type]:
    """Register the pictures, drawings, films and the stroke log."""
    from artkit_exporters.avif import Avif
    from artkit_exporters.dzi import Dzi
    from artkit_exporters.gif import Gif
    from artkit_exporters.jpg import Jpg
    from artkit_exporters.json import Json
    from artkit_exporters.mp4 import Mp4
    from artkit_exporters.ora import Ora
    from artkit_exporters.pdf import Pdf
    from artkit_exporters.png import Png
    from artkit_exporters.svg import Svg
    from artkit_exporters.tif import Tif
    from artkit_exporters.webm import Webm
    from artkit_exporters.webp import Webp

    return (Png, Jpg, Avif, Tif, Dzi, Ora, Svg, Pdf, Mp4, Webm, Gif, Webp, Json)


@hookimpl
def artkit_doctor() -> Sequence[tuple[str, str, str]]:
    """Report which libraries of the extras `export` and `video` are installed."""
    from importlib import metadata
    from importlib.util import find_spec

    rows = []
    for name, suffixes in (
        ("pyvips", ".tif, .dzi"),
        ("av", ".mp4, .webm, .webp"),
        ("drawsvg", ".svg"),
        ("fpdf", ".pdf"),
    ):
        version = metadata.version({"fpdf": "fpdf2"}.get(name, name)) if find_spec(name) else ""
        status = f"{version}, for {suffixes}" if version else ""
        rows.append((name, status, f"for {suffixes}: pip install 'neural-artkit[export]'"))
    version = metadata.version("opencv-python-headless") if find_spec("cv2") else ""
    rows.append(("cv2", f"{version}, for films" if version else "", "for films: pip install 'neural-artkit[video]'"))
    return rows
