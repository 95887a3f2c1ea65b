"""Run a campaign: many damaged inputs, each in a process that may crash, hang or run out of memory.

A case is a function of the seed and its index, so that a campaign can be stopped, continued and repeated. A case passes
if artkit accepts the input, or raises an ArtkitError, which the command line shows as one message. Any other exception,
a crash, a case that takes longer than `CASE_SECONDS`, and one that needs more than `CASE_BYTES` of memory are faults.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

CASE_SECONDS = 10.0
FIRST_CASE_SECONDS = 300.0
"""The same for the first case of a process, which comes after a valid one."""
CASE_BYTES = 2 << 30
"""Address space that a case may use in addition to that of the imported packages."""


class Case(Protocol):
    """Writes a damaged input into an empty folder and gives it to artkit.

    Raises ArtkitError if artkit refuses it, and Fault if artkit breaks a promise in another way than by an exception.
    With rng = None the input is valid: this loads or compiles kernels. May return numbers that the result adds up.
    """

    def __call__(self, rng: random.Random | None, folder: Path) -> Mapping[str, int] | None: ...


class Fault(Exception):  # noqa: N818
    """A broken promise; its text is the kind of the fault."""


def main(
    name: str, description: str | None, prepare: Callable[[Path], Case], case_seconds: float = CASE_SECONDS
) -> None:
    """Run a campaign from the command line: print its result as a line of JSON, and exit with 1 if it found a fault.

    prepare: called once with an empty folder for valid inputs; returns the function of a case. case_seconds: a case
    that takes longer hangs.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to run; 60 by default")
    parser.add_argument("--count", type=int, default=sys.maxsize, help="the number of cases at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="index of the first case, to continue a campaign")
    parser.add_argument("--keep", type=Path, help="a folder for the inputs of faults")
    parser.add_argument("--only", type=int, help="execute this case alone, in this process, and raise its fault")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="artkit-campaign-") as folder:
        campaign = Campaign(prepare, Path(folder), options.seed, options.keep, case_seconds)
        if options.only is not None:
            campaign.execute(options.only)
            return
        result = campaign.run(options.start, options.count, options.seconds)
    print(json.dumps({"campaign": name, "seed": options.seed, **result}))
    sys.exit(1 if result["faults"] else 0)


class Campaign:
    """Cases of a campaign, executed one after the other in a process that is replaced when it ends."""

    def __init__(
        self,
        prepare: Callable[[Path], Case],
        folder: Path,
        seed: int,
        keep: Path | None,
        case_seconds: float = CASE_SECONDS,
    ) -> None:
        self._seed, self._keep, self._case_seconds = seed, keep, case_seconds
        self._case_folder = folder / "case"
        (folder / "valid").mkdir(parents=True)
        self._case = prepare(folder / "valid")
        self._worker: tuple[Any, Connection] | None = None

    def run(self, start: int, count: int, seconds: float) -> dict[str, Any]:
        """Run at most `count` cases from the index `start` on, for about `seconds`; return the result."""
        outcomes: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        faults: dict[str, dict[str, Any]] = {}
        began, index = time.monotonic(), start
        while index < start + count and time.monotonic() - began < seconds:
            outcome = self._run_case(index)
            kind = outcome if outcome in ("accepted", "refused") else "fault"
            outcomes[kind] += 1
            if kind == "fault":
                self._record(faults, outcome, index)
            index += 1
        self._stop()
        return {
            "cases": index - start,
            "next": index,
            "seconds": round(time.monotonic() - began, 1),
            **{kind: outcomes[kind] for kind in ("accepted", "refused")},
            **self._counts,
            "faults": outcomes["fault"],
            "kinds": faults,
        }

    def _record(self, faults: dict[str, dict[str, Any]], outcome: str, index: int) -> None:
        entry = faults.setdefault(outcome, {"count": 0, "index": index})
        entry["count"] += 1
        if self._keep and entry["count"] == 1:
            with contextlib.suppress(shutil.Error):  # files that a process which was left running removes
                shutil.copytree(self._case_folder, self._keep / f"{index}", dirs_exist_ok=True)
            (self._keep / f"{index}" / "FAULT.txt").write_text(outcome)

    def _run_case(self, index: int) -> str:
        limit = self._case_seconds if self._worker else FIRST_CASE_SECONDS
        if self._worker is None:
            self._worker = self._start()
        process, connection = self._worker
        connection.send(index)
        try:
            if connection.poll(limit):
                outcome, counts = connection.recv()
                self._counts.update(counts)
                return str(outcome)
            outcome = f"hang: more than {self._case_seconds:.0f} s"
        except (EOFError, ConnectionResetError):
            process.join()
            outcome = f"crash: exit status {process.exitcode}"
        self._stop()
        return outcome

    def _start(self) -> tuple[Any, Connection]:
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=self._work, args=(there, here), daemon=True)
        process.start()
        there.close()
        return process, here

    def _stop(self) -> None:
        if self._worker:
            process, connection = self._worker
            connection.close()
            process.kill()
            process.join()
            self._worker = None

    def _work(self, connection: Connection, other_end: Connection) -> None:
        """Execute the cases whose indices arrive, in a process of its own."""
        other_end.close()
        self._enter_case_folder()
        self._case(None, self._case_folder)
        for number in (1, 2):  # libraries print warnings about what they read
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + CASE_BYTES, resource.RLIM_INFINITY))
        while True:
            try:
                index = connection.recv()
            except EOFError:
                return
            connection.send(self._outcome(index))

    def execute(self, index: int) -> Mapping[str, int]:
        """Execute one case, and return its numbers."""
        self._enter_case_folder()
        return self._case(random.Random(f"{self._seed} {index}"), self._case_folder) or {}

    def _enter_case_folder(self) -> None:
        shutil.rmtree(self._case_folder, ignore_errors=True)
        self._case_folder.mkdir()
        os.chdir(self._case_folder)

    def _outcome(self, index: int) -> tuple[str, Mapping[str, int]]:
        from artkit.errors import ArtkitError

        try:
            return "accepted", self.execute(index)
        except ArtkitError as error:
            return "refused" if _is_readable(str(error)) else "unreadable message", {}
        except Fault as fault:
            return str(fault), {}
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            own = [f for f in traceback.extract_tb(error.__traceback__) if "artkit" in f.filename]
            place = own[-1] if own else frame
            return f"{type(error).__name__} in {Path(place.filename).name}, {place.name}", {}


def _is_readable(message: str) -> bool:
    """Whether a terminal can show a message: not empty, not endless, without control characters."""
    return 0 < len(message) < 20_000 and message.replace("\n", "").isprintable()
