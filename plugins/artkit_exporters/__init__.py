"""Exporters, selected by the extension of the file."""

from collections.abc import Sequence

from artkit import hookimpl
from artkit.extras import describe_extra


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
    return [
        describe_extra("pyvips", "export", ".tif and .dzi"),
        describe_extra("av", "export", ".mp4, .webm, .gif and .webp"),
        describe_extra("drawsvg", "export", ".svg"),
        describe_extra("fpdf2", "export", ".pdf", "fpdf"),
        describe_extra("opencv-python-headless", "video", "films", "cv2"),
    ]
