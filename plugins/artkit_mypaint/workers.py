"""MyPaint on all cores: processes that paint coverages.

The library lets go of the interpreter's lock while it paints, but a stroke is many short calls, so threads gain
nothing. A worker is this module run as a program: it reads arrays from its standard input, answers on its standard
output, ends when its input does, and needs no torch. Which worker paints a stroke makes no difference to it.
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
from artkit_mypaint.brush import Brush, paint_coverages, paint_strokes
from artkit_mypaint.pen_paths import MAX_EXTENT_RADII, PenPaths
from artkit_mypaint.surface import Surface

Sheets = npt.NDArray[np.uint16]


class Workers:
    """A pool of processes with one brush.

    Raises EngineMissing or UsageError at once if the brush cannot be had here.
    """

    def __init__(self, brush: str, count: int | None = None) -> None:
        self.brush = Brush(brush)
        """The brush in this process, for a few strokes and for questions about it."""
        self.count = count or os.cpu_count() or 1
        self._processes: list[subprocess.Popen[bytes]] = []
        self._busy = threading.Lock()  # a stream of strokes is painted by a thread of its own

    def paint(self, traces: PenPaths, corners: npt.NDArray[np.int64], width: int, height: int) -> Sheets:
        """Paint strokes, each on a sheet of its own: `paint_coverages`."""
        size = np.array([width, height])
        out = np.empty((len(traces), height, width), np.uint16)
        with self._busy:
            if not self._processes:
                self._start()
            for index, process in enumerate(self._processes):
                mine = slice(index, None, self.count)
                t = traces.subset(mine)
                self._ask(process, (np.array(0), *_arrays(t), corners[mine], size))
            for index, process in enumerate(self._processes):
                out[index :: self.count] = self._answer(process)
        return out

    def picture(
        self, parts: Sequence[PenPaths], box: tuple[int, int, int, int], background: Sequence[float]
    ) -> npt.NDArray[np.float32]:
        """Paint strokes over each other, part after part, and return the window `box` (x, y, width, height) of the
        picture, (height, width, 3). Each worker paints a strip of it. A background of four zeros is none: then the
        fourth number of a pixel is its coverage, by which the others are multiplied.
        """
        x, y, width, height = box
        edges = np.linspace(0, height, self.count + 1).astype(int).tolist()
        strips = [(x, y + top, width, bottom - top) for top, bottom in itertools.pairwise(edges)]
        with self._busy:
            if not self._processes:
                self._start()
            for strip, process in zip(strips, self._processes, strict=True):
                self._ask(process, (np.array(len(parts)), np.array(strip), np.array(background, np.float64)))
                for part in parts:
                    self._ask(process, _arrays(part.subset(_near(part, strip))))
            return np.concatenate([self._answer(process) for process in self._processes])

    def _ask(self, process: subprocess.Popen[bytes], arrays: Sequence[npt.NDArray[Any]]) -> None:
        try:
            _send(process.stdin, arrays)
        except BrokenPipeError:
            raise _died(process) from None

    def _answer(self, process: subprocess.Popen[bytes]) -> npt.NDArray[Any]:
        try:
            (answer,) = _receive(process.stdout, 1)
        except EOFError:
            raise _died(process) from None
        return answer

    def _start(self) -> None:
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
                process_group=0,  # a terminal's Ctrl-C is for the one who asked
            )
            for _ in range(self.count)
        ]
        weakref.finalize(self, _end, self._processes)


def _died(process: subprocess.Popen[bytes]) -> ArtkitError:
    return ArtkitError(
        f"a process that paints with MyPaint ended (exit status {process.wait()})",
        hint="run again with --resume; if it ends again, try another brush",
    )


def _arrays(traces: PenPaths) -> tuple[npt.NDArray[Any], ...]:
    return traces.points, traces.log_radius, traces.colours, traces.seeds, np.array([traces.zoom])


def _near(traces: PenPaths, box: tuple[int, int, int, int]) -> npt.NDArray[np.int64]:
    """Which strokes may reach into a window, in their order."""
    x, y, width, height = box
    reach = MAX_EXTENT_RADII * np.exp(traces.log_radius) + 4
    low, high = traces.points[..., :2].min(1), traces.points[..., :2].max(1)
    beside = (high[:, 0] + reach < x) | (low[:, 0] - reach > x + width)
    above = (high[:, 1] + reach < y) | (low[:, 1] - reach > y + height)
    return np.flatnonzero(~(beside | above))


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        for stream in (process.stdin, process.stdout):
            if stream:
                with contextlib.suppress(BrokenPipeError):  # of a process that died
                    stream.close()
    for process in processes:
        process.wait()


def _send(stream: Any, arrays: Sequence[npt.NDArray[Any]]) -> None:
    """Each array as a line with its type and shape, and its bytes."""
    with contextlib.suppress(BrokenPipeError):  # one that ended is told when its answer is asked for
        for array in arrays:
            stream.write(json.dumps([array.dtype.str, array.shape]).encode() + b"\n")
            stream.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
        stream.flush()


def _receive(stream: Any, count: int) -> list[npt.NDArray[Any]]:
    """Raises EOFError when the other side has ended."""
    arrays = []
    for _ in range(count):
        if not (line := stream.readline()):
            raise EOFError
        kind, shape = json.loads(line)
        array = np.empty(shape, kind)
        if array.size and stream.readinto(array.data.cast("B")) != array.nbytes:
            raise EOFError
        arrays.append(array)
    return arrays


def _serve(source: BinaryIO, sink: BinaryIO, brush: Brush) -> None:
    while True:
        try:
            (parts,) = _receive(source, 1)
            if not parts:
                points, log_radius, colours, seeds, zoom, corners, size = _receive(source, 7)
                traces = PenPaths(points, log_radius, colours, seeds, float(zoom[0]))
                answer: npt.NDArray[Any] = paint_coverages(brush, traces, corners, *size.tolist())
            else:
                box, background = _receive(source, 2)
                x, y, width, height = box.tolist()
                channels = len(background)
                ground = background.tolist() if channels == 3 else None
                surface = Surface(x, y, width, height, ground) if height else None
                for _ in range(int(parts)):
                    points, log_radius, colours, seeds, zoom = _receive(source, 5)
                    if surface:
                        paint_strokes(brush, surface, PenPaths(points, log_radius, colours, seeds, float(zoom[0])))
                answer = surface.pixels()[..., :channels] if surface else np.empty((0, width, channels), np.float32)
        except EOFError:
            return
        _send(sink, [answer])


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asked decides what Ctrl-C means
    answers = os.fdopen(os.dup(1), "wb")
    # What the library prints, about roundings of its own, must not get between the answers, nor before anyone's eyes.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        _serve(sys.stdin.buffer, answers, Brush(sys.argv[1]))
    except BrokenPipeError:
        os._exit(0)
