"""Campaign: memory and open files stay flat over many steps of a run, and over many runs in one process.

Each case is 100 steps of a long run, or 4 complete runs, in one process. The first quarter warms up; afterwards the
memory may grow by `MAX_GROWTH_BYTES` in all, and the number of open files and threads not at all.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from commands import PAINTING, warm_up

MAX_GROWTH_BYTES = 16 << 20
STEPS, RUNS = 20_000, 200


def _usage() -> tuple[int, int, int]:
    """Return the resident memory in bytes, the number of open files and that of threads."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def steps_of_a_run(folder: Path, count: int) -> Iterator[None]:
    """Execute a run step by step."""
    import artkit

    yield from (None for _ in artkit.paint(folder / "soak.toml", steps=count, out=folder / "long"))


def runs_in_a_process(folder: Path, count: int) -> Iterator[None]:
    """Execute runs, look at each as a notebook does, and export it."""
    import artkit
    from artkit.output.export import exporters, open_painting, write_painting

    for number in range(count):
        out = folder / "runs" / str(number % 3)
        run = artkit.paint(folder / "soak.toml", out=out, seed=number % 3).execute()
        run._repr_png_()
        file = out / "a.png"
        write_painting(open_painting(out), exporters([file])[0], file)
        yield


def soak(work: Callable[[Path, int], Iterator[None]], folder: Path, count: int, seconds: float) -> dict[str, Any]:
    """Do at most `count` pieces of work; return the growth of memory, files and threads after the first quarter."""
    end, usages, done = time.monotonic() + seconds, [_usage()], 0
    for done, _ in enumerate(work(folder, count), 1):
        if done % max(1, count // 40) == 0:
            usages.append(_usage())
        if time.monotonic() > end:
            break
    usages.append(_usage())
    later = usages[len(usages) // 4 :]
    return {
        "done": done,
        "megabytes grown": round((later[-1][0] - later[0][0]) / 2**20, 1),
        "files grown": later[-1][1] - later[0][1],
        "threads grown": later[-1][2] - later[0][2],
    }


def main() -> None:
    """Run the campaign from the command line."""
    from artkit.engine import run as run_module

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long each half may take")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seed", type=int, default=0, help="without effect; as of the other campaigns")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="artkit-campaign-") as name:
        folder = Path(name)
        warm_up(folder)
        run_module.SECONDS_BETWEEN_CHECKPOINTS = 10.0
        (folder / "soak.toml").write_text(PAINTING)
        results = {
            "steps": soak(steps_of_a_run, folder, options.steps, options.seconds),
            "runs": soak(runs_in_a_process, folder, options.runs, options.seconds),
        }
    faults = sum(
        result["megabytes grown"] > MAX_GROWTH_BYTES >> 20 or result["files grown"] > 0 or result["threads grown"] > 0
        for result in results.values()
    )
    print(json.dumps({"campaign": "soak", **results, "faults": faults}))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
