"""Replay of the strokes of a run as frames: ``python -m artkit.studio.replay RUN`` renders them, a process of its own.

They are in `.live/replay` in the run's folder: an index and a JPEG each.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from artkit.engine.live_view import LIVE_FOLDER
from artkit.files import write_text
from artkit.imaging.pixels import tensor_to_pixels
from artkit.output.export import open_painting
from artkit.output.finished_picture import possible_scale
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import STROKES_FILE
from artkit.studio.pictures import encode_jpeg

_FRAMES = 80
_MAX_SIDE = 1200  # px
_EARLY_POWER = 1.5  # the first strokes, which change the most, get more frames


def frame_file(run: Path, frame: int) -> Path:
    """Return the file of a frame."""
    return run / LIVE_FOLDER / "replay" / f"{frame}.jpg"


def read_index(run: Path) -> dict[str, Any] | None:
    """Return the index of the frames, if they are of the strokes as they are now: `count` is how many there will be,
    `strokes` the number of strokes in each that is there.
    """
    try:
        index: dict[str, Any] = json.loads(_index_file(run).read_text(encoding="utf-8"))
        if index.pop("mark") == _mark(run):
            return {"count": int(index["count"]), "strokes": list(index["strokes"])}
    except (OSError, ValueError, LookupError, TypeError):
        pass
    return None


def render(run: Path) -> None:
    """Render the frames of a run. Raises ArtkitError if it has no strokes."""
    painting = _fitting(open_painting(run))
    shutil.rmtree(_index_file(run).parent, ignore_errors=True)
    _index_file(run).parent.mkdir(parents=True)
    mark, width, height = _mark(run), *painting.size
    total = sum(phase.stroke_count for phase in painting.log.phases)
    count = min(_FRAMES, total)
    ends = sorted({round(total * (index / count) ** _EARLY_POWER) for index in range(count + 1)})
    picture = painting.background(0, 0, width, height)
    strokes: list[int] = []
    for frame, end in enumerate(ends):
        painting.paint_strokes(picture, strokes[-1] if strokes else 0, end)
        frame_file(run, frame).write_bytes(encode_jpeg(tensor_to_pixels(picture)))
        strokes.append(end)
        write_text(_index_file(run), json.dumps({"mark": mark, "count": len(ends), "strokes": strokes}))


def _fitting(painting: RenderedPainting) -> RenderedPainting:
    scale = possible_scale(painting, _MAX_SIDE / max(painting.log.size))
    return replace(painting, scale=scale)


def _index_file(run: Path) -> Path:
    return run / LIVE_FOLDER / "replay" / "index.json"


def _mark(run: Path) -> str:
    status = (run / STROKES_FILE).stat()
    return f"{status.st_mtime_ns}-{status.st_size}"


if __name__ == "__main__":
    render(Path(sys.argv[1]))
