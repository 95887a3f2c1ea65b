"""A pool of processes that paint strokes with libmypaint.

libmypaint releases the interpreter's lock while it paints, but a stroke consists of many short calls, so threads are no
faster. A worker is this module run as a program, without torch: it reads requests from its standard input, writes
results to its standard output, and ends when its input is closed. The result does not depend on which worker paints a
stroke.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from artkit import ArtkitError
from artkit_mypaint.libmypaint_brush import LibMyPaintBrush
from artkit_mypaint.painting import paint_coverages, paint_strokes
from artkit_mypaint.pen_paths import PenPaths
from artkit_mypaint.surface import Surface

Box = tuple[int, int, int, int]


class Workers:
    """A pool of processes with one brush. They start with the first strokes.

    brush: its name or path. count: of processes, one per core by default. Raises MyPaintMissing or UsageError if the
    brush cannot be loaded.
    """

    def __init__(self, brush: str, count: int | None = None) -> None:
        self.brush = LibMyPaintBrush(brush)
        self.brush.require_supported()
        """The brush in this process, for its settings and for painting a few strokes."""
        self.count = count or os.cpu_count() or 1
        self._processes: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()  # strokes for training are painted by a thread of their own

    def paint(self, paths: PenPaths, corners: npt.NDArray[np.int64], width: int, height: int) -> npt.NDArray[np.uint16]:
        """Paint each of m strokes on a patch of its own: `painting.paint_coverages` on all processes.

        corners (m, 2) -> coverages (m, height, width), where `libmypaint.ONE` is 1.
        """
        size = np.array([width, height])
        coverages = np.empty((len(paths), height, width), np.uint16)
        with self._lock:
            self._start()
            for index, process in enumerate(self._processes):
                share = slice(index, None, self.count)
                _send_request(process, (np.array(0), *_to_arrays(paths.subset(share)), corners[share], size))
            for index, process in enumerate(self._processes):
                coverages[index :: self.count] = _receive_result(process)
        return coverages

    def paint_window(
        self, groups: Sequence[PenPaths], window: Box, background: Sequence[float]
    ) -> npt.NDArray[np.float32]:
        """Paint groups of strokes over each other, and return a window of the picture. Each process paints a strip.

        window: x, y, width and height, px of the picture. background: RGB in [0, 1] -> (height, width, 3); or four
        zeros for a transparent one -> (height, width, 4), premultiplied RGB and alpha.
        """
        x, y, width, height = window
        edges = np.linspace(0, height, self.count + 1).astype(int).tolist()
        strips = [(x, y + top, width, bottom - top) for top, bottom in itertools.pairwise(edges)]
        with self._lock:
            self._start()
            for strip, process in zip(strips, self._processes, strict=True):
                _send_request(process, (np.array(len(groups)), np.array(strip), np.array(background, np.float64)))
                for group in groups:
                    near = group.intersecting(strip, self.brush.max_extent_radii)
                    _send_request(process, _to_arrays(group.subset(near)))
            return np.concatenate([_receive_result(process) for process in self._processes])

    def _start(self) -> None:
        if self._processes:
            return
        paths = os.pathsep.join(
            str(Path(file).parents[1]) for file in (__file__, sys.modules["artkit.errors"].__file__ or "")
        )
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, (paths, os.environ.get("PYTHONPATH")))),
            "OMP_NUM_THREADS": "1",
        }
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "artkit_mypaint.workers", self.brush.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                process_group=0,  # so that Ctrl-C in a terminal interrupts only the parent process
            )
            for _ in range(self.count)
        ]
        weakref.finalize(self, _stop, self._processes)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        for stream in (process.stdin, process.stdout):
            if stream:
                with contextlib.suppress(BrokenPipeError):  # the process has died
                    stream.close()
    for process in processes:
        process.wait()


def _send_request(process: subprocess.Popen[bytes], arrays: Sequence[npt.NDArray[Any]]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the process has died, which _receive_result reports
        _write_arrays(process.stdin, arrays)


def _receive_result(process: subprocess.Popen[bytes]) -> npt.NDArray[Any]:
    try:
        (result,) = _read_arrays(process.stdout, 1)
    except EOFError:
        raise ArtkitError(
            f"a process that paints with MyPaint ended (exit status {process.wait()})",
            hint="run again with --resume; if it ends again, try another brush",
        ) from None
    return result


def _to_arrays(paths: PenPaths) -> tuple[npt.NDArray[Any], ...]:
    return paths.points, paths.log_radius, paths.colours, paths.seeds, np.array([paths.zoom])


def _from_arrays(
    points: npt.NDArray[Any],
    log_radius: npt.NDArray[Any],
    colours: npt.NDArray[Any],
    seeds: npt.NDArray[Any],
    zoom: npt.NDArray[Any],
) -> PenPaths:
    return PenPaths(points, log_radius, colours, seeds, float(zoom[0]))


def _write_arrays(stream: Any, arrays: Sequence[npt.NDArray[Any]]) -> None:
    """Write each array as a line of JSON, its type and shape, followed by its bytes."""
    for array in arrays:
        stream.write(json.dumps([array.dtype.str, array.shape]).encode() + b"\n")
        stream.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    stream.flush()


def _read_arrays(stream: Any, count: int) -> list[npt.NDArray[Any]]:
    """Read arrays written by `_write_arrays`. Raises EOFError if the stream ends."""
    arrays = []
    for _ in range(count):
        if not (line := stream.readline()):
            raise EOFError
        dtype, shape = json.loads(line)
        array = np.empty(shape, dtype)
        if array.size and stream.readinto(array.data.cast("B")) != array.nbytes:
            raise EOFError
        arrays.append(array)
    return arrays


def _serve(source: BinaryIO, sink: BinaryIO, brush: LibMyPaintBrush) -> None:
    """Answer requests until the source ends. A request starts with its number of groups, 0 for coverages."""
    while True:
        try:
            (group_count,) = _read_arrays(source, 1)
            result = _paint_strip(source, brush, int(group_count)) if group_count else _paint_patches(source, brush)
        except EOFError:
            return
        _write_arrays(sink, [result])


def _paint_patches(source: BinaryIO, brush: LibMyPaintBrush) -> npt.NDArray[np.uint16]:
    *arrays, corners, size = _read_arrays(source, 7)
    return paint_coverages(brush, _from_arrays(*arrays), corners, *size.tolist())


def _paint_strip(source: BinaryIO, brush: LibMyPaintBrush, group_count: int) -> npt.NDArray[np.float32]:
    box, background = _read_arrays(source, 2)
    x, y, width, height = box.tolist()
    channels = len(background)
    surface = Surface(x, y, width, height, background.tolist() if channels == 3 else None) if height else None
    for _ in range(group_count):
        paths = _from_arrays(*_read_arrays(source, 5))
        if surface:
            paint_strokes(brush, surface, paths)
    return surface.pixels()[..., :channels] if surface else np.empty((0, width, channels), np.float32)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    results = os.fdopen(os.dup(1), "wb")
    # libmypaint prints warnings about rounding to standard output, where they would corrupt the results.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        _serve(sys.stdin.buffer, results, LibMyPaintBrush(sys.argv[1]))
    except BrokenPipeError:
        os._exit(0)
