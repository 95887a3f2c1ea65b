"""MyPaint on all cores: processes that paint coverages.

The library lets go of the interpreter's lock while it paints, but a stroke is many short calls, so threads gain
nothing. A worker is this module run as a program: it reads arrays from its standard input, answers on its standard
output, ends when its input does, and needs no torch. Which worker paints a stroke makes no difference to it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from artkit.errors import ArtkitError
from artkit_painters import engine
from artkit_painters.engine import Brush, Traces

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

    def submit(self, traces: Traces, corners: npt.NDArray[np.int64], width: int, height: int) -> Pending:
        """Have strokes painted, each on a sheet of its own; see `engine.coverages`."""
        if not self._processes:
            self._start()
        size = np.array([width, height])
        for index, process in enumerate(self._processes):
            mine = slice(index, None, self.count)
            t = traces.of(mine)
            _send(process.stdin, (t.points, t.log_radius, t.seeds, np.array([t.zoom]), corners[mine], size))
        return Pending(self._processes, len(traces), width, height)

    def paint(self, traces: Traces, corners: npt.NDArray[np.int64], width: int, height: int) -> Sheets:
        """`submit`, and wait for it."""
        return self.submit(traces, corners, width, height).result()

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
                [sys.executable, "-m", "artkit_painters.workers", self.brush.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
            )
            for _ in range(self.count)
        ]
        weakref.finalize(self, _end, self._processes)


class Pending:
    """Strokes that are being painted."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]], count: int, width: int, height: int) -> None:
        self._processes, self._shape = processes, (count, height, width)

    def result(self) -> Sheets:
        """Their coverages (m, height, width), `libmypaint.ONE` for 1. Raises ArtkitError if a worker died."""
        out = np.empty(self._shape, np.uint16)
        for index, process in enumerate(self._processes):
            try:
                (out[index :: len(self._processes)],) = _receive(process.stdout, 1)
            except EOFError:
                raise ArtkitError(
                    f"a process that paints with MyPaint ended (exit status {process.wait()})",
                    remedy="run again with --resume; if it ends again, try another brush",
                ) from None
        return out


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()
    for process in processes:
        process.wait()


def _send(stream: Any, arrays: Sequence[npt.NDArray[Any]]) -> None:
    """Each array as a line with its type and shape, and its bytes."""
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
            points, log_radius, seeds, zoom, corners, size = _receive(source, 6)
        except EOFError:
            return
        traces = Traces(points, log_radius, np.zeros((len(points), 3)), seeds, float(zoom[0]))
        _send(sink, [engine.coverages(brush, traces, corners, *size.tolist())])


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asked decides what Ctrl-C means
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the library may print; that must not get between the answers
    try:
        _serve(sys.stdin.buffer, answers, Brush(sys.argv[1]))
    except BrokenPipeError:
        os._exit(0)
