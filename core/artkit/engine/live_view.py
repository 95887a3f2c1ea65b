"""Live view: what a run writes for those who watch it, and how they stop it.

`artkit studio` creates the folder `.live` in the folder of a run. A run that finds it writes its current picture and
state there after its steps as long as somebody watches, and stops when it is requested to. Without the folder a run
writes nothing. The files, all of them temporary:

    watching       touched by the viewer every few seconds
    stop           created by the viewer: the run stops after the current step, as with Ctrl-C
    state.json     `LiveState`
    picture.rgb    pixels (h, w, 3) of the picture, 8 bits
    versions.u32   a number for each tile of the picture, row by row: how many times it has changed; 0: not painted yet
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artkit.geometry.window import Window
from artkit.imaging.pixels import Pixels, tensor_to_pixels

LIVE_FOLDER = ".live"
TILE_SIDE = 512
"""Side of the tiles whose changes are counted, px."""
WATCHING_SECONDS = 10.0
"""A run writes its picture until `watching` has this age."""

_MIN_INTERVAL_SECONDS = 1.0  # to show a picture takes more time than to write it
_MAX_INTERVAL_SECONDS = 5.0
_INTERVAL_SHARE = 0.1  # of the time since the start: a picture changes most at first
_MAX_COST_SHARE = 0.01  # of the time of a run
_RECENT_STEPS = 15  # the first frame of a film takes much longer than the others
_PROCESS_STARTED = time.time()
_VERSION = np.dtype("<u4")


@dataclass(frozen=True)
class LiveState:
    """The state of a run at a step.

    step: the number of executed steps, of `steps`. losses: of the last step. step_seconds: median of the last steps.
    memory, gpu_memory: the most bytes that the process has used. time: when it was written, s since the epoch. size:
    width and height of the picture, px, or None if there is none. background: colour of the tiles that are not painted
    yet.
    """

    step: int
    steps: int
    losses: Mapping[str, float]
    step_seconds: float
    memory: int
    gpu_memory: int
    time: float
    size: tuple[int, int] | None = None
    background: tuple[float, ...] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class LivePicture:
    """The picture after a step: pixels (3, h, w) of a window of a picture of `size` (width, height) px."""

    pixels: Tensor
    window: Window
    size: tuple[int, int]
    background: tuple[float, ...] = (1.0, 1.0, 1.0)


def tile_counts(size: tuple[int, int]) -> tuple[int, int]:
    """Return the numbers of tile rows and columns of a picture of `size` (width, height) px."""
    return math.ceil(size[1] / TILE_SIDE), math.ceil(size[0] / TILE_SIDE)


@dataclass
class LiveView:
    """The run's side of the live view. A run never fails because of it: what cannot be written is left out."""

    folder: Path
    _started: float = field(default_factory=time.perf_counter, init=False)
    _due: float = field(default=0.0, init=False)
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT_STEPS), init=False)

    def stop_requested(self) -> bool:
        """Return whether a viewer has requested the run to stop, and remove the request.

        One that is older than this process was meant for an earlier one.
        """
        try:
            requested = os.stat(self.folder / "stop").st_mtime
            os.unlink(self.folder / "stop")
        except OSError:
            return False
        return requested > _PROCESS_STARTED

    def watched(self) -> bool:
        """Return whether somebody watches."""
        try:
            return time.time() - os.stat(self.folder / "watching").st_mtime < WATCHING_SECONDS
        except OSError:
            return False

    def write(
        self,
        step: int,
        steps: int,
        losses: Mapping[str, float],
        seconds: float,
        get_picture: Callable[[], LivePicture | None],
    ) -> None:
        """Write the state after a step if somebody watches and it is due.

        seconds: duration of the step. get_picture: is called only if the picture is written. It is due again after a
        second, later in the run after five, and at the earliest after 100 times the time that writing takes. The last
        step is always written.
        """
        self._recent.append(seconds)
        started = time.perf_counter()
        if (started < self._due and step < steps) or not self.watched():
            return
        with contextlib.suppress(OSError):
            picture = get_picture()
            if picture is not None:
                write_picture(self.folder, picture)
            state = LiveState(
                step,
                steps,
                dict(losses),
                round(statistics.median(self._recent), 4),
                _max_memory(),
                torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
                time.time(),
                picture.size if picture else None,
                picture.background if picture else (1.0, 1.0, 1.0),
            )
            temporary = self.folder / "state.json.new"
            temporary.write_text(json.dumps(asdict(state)), encoding="utf-8")
            temporary.replace(self.folder / "state.json")
        now = time.perf_counter()
        interval = min(max(_MIN_INTERVAL_SECONDS, _INTERVAL_SHARE * (now - self._started)), _MAX_INTERVAL_SECONDS)
        self._due = now + max(interval, (now - started) / _MAX_COST_SHARE)


def read_state(folder: Path) -> LiveState | None:
    """Return the last state in a folder `.live`; None if there is none, or it is damaged."""
    try:
        raw: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        size = raw.pop("size")
        return LiveState(**raw, size=(int(size[0]), int(size[1])) if size else None)
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None


def time_written(folder: Path) -> int:
    """Return when a run has written into a folder `.live`, ns; 0 if it never has."""
    with contextlib.suppress(OSError):
        return os.stat(folder / "state.json").st_mtime_ns
    return 0


def read_versions(folder: Path, size: tuple[int, int]) -> Pixels | None:
    """Return the versions of the tiles (rows, columns) of a picture of `size` px; None if there is none."""
    rows, columns = tile_counts(size)
    with contextlib.suppress(OSError):
        versions: Pixels = np.fromfile(folder / "versions.u32", _VERSION)
        if versions.size == rows * columns:
            return versions.reshape(rows, columns)
    return None


def write_picture(folder: Path, picture: LivePicture) -> None:
    """Write a window of the picture, and count up the versions of the tiles in which pixels have changed.

    The file is created at full size, so that a full disk is an OSError now. Raises OSError.
    """
    width, height = picture.size
    file = folder / "picture.rgb"
    versions = read_versions(folder, picture.size)
    if versions is None or not file.exists() or file.stat().st_size != width * height * 3:
        versions = np.zeros(tile_counts(picture.size), _VERSION)
        file.unlink(missing_ok=True)  # a viewer may still read the file of another size
        with file.open("wb") as created:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(created.fileno(), 0, width * height * 3)
            created.truncate(width * height * 3)
    pixels = tensor_to_pixels(picture.pixels)
    x, y = picture.window.x, picture.window.y
    with file.open("r+b") as stream:
        for row in range(y // TILE_SIDE, math.ceil((y + len(pixels)) / TILE_SIDE)):
            top, bottom = max(row * TILE_SIDE, y), min((row + 1) * TILE_SIDE, y + len(pixels))
            changed = _write_band(stream.fileno(), pixels[top - y : bottom - y], x, top, versions[row], picture)
            versions[row, changed] += 1
    temporary = folder / "versions.u32.new"
    versions.tofile(temporary)
    temporary.replace(folder / "versions.u32")


def _write_band(handle: int, pixels: Pixels, x: int, y: int, versions: Pixels, picture: LivePicture) -> list[int]:
    """Write pixels (h, w, 3) of one row of tiles at (x, y); return the columns of the tiles that have changed.

    versions: of that row of tiles. Tiles that are not painted yet get the background first.
    """
    width, height = picture.size
    columns = range(x // TILE_SIDE, math.ceil((x + pixels.shape[1]) / TILE_SIDE))
    left, right = columns.start * TILE_SIDE, min(columns.stop * TILE_SIDE, width)
    row = y // TILE_SIDE
    top, bottom = row * TILE_SIDE, min((row + 1) * TILE_SIDE, height)
    line = (right - left) * 3
    band = np.empty((bottom - top, right - left, 3), np.uint8)
    for index in range(bottom - top):
        os.preadv(handle, [band[index].data], ((top + index) * width + left) * 3)
    for column in columns:
        if not versions[column]:
            start = column * TILE_SIDE - left
            band[:, start : start + TILE_SIDE] = np.round(np.array(picture.background[:3]) * 255)
    earlier = band.copy()
    band[y - top : y - top + len(pixels), x - left : x - left + pixels.shape[1]] = pixels
    starts = [column * TILE_SIDE - left for column in columns]
    changed = [
        column
        for column, start in zip(columns, starts, strict=True)
        if not versions[column]
        or not np.array_equal(earlier[:, start : start + TILE_SIDE], band[:, start : start + TILE_SIDE])
    ]
    if changed and right - left == width:
        os.pwrite(handle, band.data, top * line)
    elif changed:
        for index in range(bottom - top):
            os.pwrite(handle, band[index].data, ((top + index) * width + left) * 3)
    return changed


def _max_memory() -> int:
    """Return the largest number of bytes that this process has had in memory."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
