"""Memory and time of an optimisation step, for pictures of several sizes.

    python tests/benchmarks/sizes.py [--sides 1024 2048 ...] [--window 512] [--steps 9] [--renderer gan] [--set K=V]

Each size is measured in a process of its own, with the shipped photo. The table has the number of strokes; windows in
an epoch; seconds of preparation; seconds of a step, the median of `--steps` after the first; seconds of an epoch over
the whole picture, and per megapixel; peak memory of the process after the steps, and its ratio to that of the first
size. `--window 0` optimises the whole picture in each step, if memory suffices. For the sequential method of the
paper's released code see rendering.py.
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
    """Prepare a painting and run some steps; return the figures."""
    options = [f"size=[{side},{side}]", f"window={window or side}", "steps=1000", *settings]
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        recipe = read_recipe([shipped_recipes()["photo"]], options)
        task = PaintingTask(recipe, torch.device("cpu"), Path(folder))
        prepared = time.perf_counter() - start
        seconds = []
        for step in range(steps + 1):
            start = time.perf_counter()
            task.step(step)
            seconds.append(time.perf_counter() - start)
    return {
        "strokes": task.canvas.stroke_count,
        "windows": task.windows.count,
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
    parser.add_argument("--only-side", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    settings = [f'renderer={{type="{options.renderer}"}}', *options.settings]
    if options.only_side:
        print(json.dumps(measure(options.only_side, options.window, options.steps, settings)))
        return
    print("   side    strokes windows prepared    step   epoch s/megapixel  peak GB ratio")
    first = None
    for side in options.sides:
        command = [sys.executable, __file__, "--only-side", str(side), *(arguments or sys.argv[1:])]
        process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if process.returncode:
            print(f"{side:7d} failed with exit status {process.returncode}")
            continue
        figures = json.loads(process.stdout)
        first = first or figures["peak"]
        epoch = figures["step"] * figures["windows"]
        print(
            f"{side:7d} {figures['strokes']:10,.0f} {figures['windows']:7.0f} {figures['prepared']:8.1f} "
            f"{figures['step']:7.2f} {epoch:7.0f} {epoch / side**2 * 1e6:11.1f} "
            f"{figures['peak'] / 2**30:8.2f} {figures['peak'] / first:5.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
