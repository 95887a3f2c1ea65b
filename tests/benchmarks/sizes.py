"""What a step of a large picture costs: memory and time against the size of the picture.

    python tests/benchmarks/sizes.py [--sides 1024 2048 ...] [--window 512] [--steps 9] [--renderer gan] [--set K=V]

Each side is painted in a process of its own, from the shipped photo: strokes; windows of a sweep; seconds to prepare;
the seconds of a step, the median of `--steps` after the first; those of a sweep over the whole picture; those a
megapixel; peak memory of the process when the steps are done, and its ratio to the first side's. `--window 0` takes the
whole at once, as long as the memory lasts. Sequentially, as the paper's released code paints: see rendering.py.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from artkit.engine.painting_task import PaintingTask
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import shipped_recipes


def measure(side: int, window: int, steps: int, settings: list[str]) -> dict[str, float]:
    """Prepare a picture and take some steps; what that cost."""
    told = [f"size=[{side},{side}]", f"window={window or side}", "steps=1000", *settings]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        job = PaintingTask(read_recipe([shipped_recipes()["photo"]], told), torch.device("cpu"), Path(folder))
        prepared = time.perf_counter() - began
        seconds = []
        for step in range(steps + 1):
            began = time.perf_counter()
            job.step(step)
            seconds.append(time.perf_counter() - began)
    return {
        "strokes": job.canvas.stroke_count,
        "windows": job.windows.count,
        "prepared": prepared,
        "step": median(seconds[1:]),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[1024, 2048, 4096, 8192, 16384])
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--steps", type=int, default=9)
    parser.add_argument("--renderer", default="gan")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    told = parser.parse_args(arguments)
    settings = [f'renderer={{type="{told.renderer}"}}', *told.settings]
    if told.one:
        print(json.dumps(measure(told.one, told.window, told.steps, settings)))
        return
    print("   side    strokes windows prepared    step   sweep s/megapixel  peak GB ratio")
    first = None
    for side in told.sides:
        command = [sys.executable, __file__, "--one", str(side), *(arguments or sys.argv[1:])]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            print(f"{side:7d} did not end well")
            continue
        cost = json.loads(done.stdout)
        first = first or cost["peak"]
        sweep = cost["step"] * cost["windows"]
        print(
            f"{side:7d} {cost['strokes']:10,.0f} {cost['windows']:7.0f} {cost['prepared']:8.1f} {cost['step']:7.2f} "
            f"{sweep:7.0f} {sweep / side**2 * 1e6:11.1f} {cost['peak'] / 2**30:8.2f} {cost['peak'] / first:5.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
