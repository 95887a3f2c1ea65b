"""Films of runs as videos that browsers play."""

from __future__ import annotations

from pathlib import Path

from artkit.engine.live_view import LIVE_FOLDER
from artkit.errors import UsageError
from artkit.files import atomic
from artkit.imaging.video_file import open_container, video_library
from artkit.output.film_preview import PREVIEW_FILE
from artkit.studio.runs import RunReader


def playable_film(reader: RunReader) -> Path:
    """Return the film of a run as an MP4: the finished one or, until then, what has been painted of it.

    Raises UsageError if there is none yet, or without the library of the extra `video`.
    """
    file = reader.film_file()
    if file is None:
        raise UsageError(f"{reader.name} has no film yet")
    return _remuxed(file) if file.name == PREVIEW_FILE else file


def _remuxed(preview: Path) -> Path:
    """Return the frames of a preview, which browsers do not play, as an MP4, without encoding them again."""
    file = preview.parent / LIVE_FOLDER / "preview.mp4"
    if file.is_file() and file.stat().st_mtime_ns > preview.stat().st_mtime_ns:
        return file
    library = video_library()
    try:
        with (
            atomic(file) as temporary,
            open_container(library, preview) as source,
            library.open(str(temporary), "w", format="mp4", options={"movflags": "faststart"}) as copy,
        ):
            stream = copy.add_stream_from_template(source.streams.video[0])
            begin = None
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:
                    begin = packet.dts if begin is None else begin
                    packet.dts, packet.pts = packet.dts - begin, packet.pts - begin
                    packet.stream = stream
                    copy.mux(packet)
    except (library.FFmpegError, OSError, ValueError, IndexError) as error:
        raise UsageError(f"{preview.name} cannot be read: {error}") from None
    return file
