"""How many strokes a second the real MyPaint paints, in one process and in two.

    python tests/benchmarks/mypaint_speed.py [--brush classic/dry_brush] [--strokes 2000] [--repeats 3]

Random strokes on tiles of 64 px with 16 px around; the median of the repeats.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_mypaint.brush import Brush
from artkit_mypaint.painting import paint_coverages
from artkit_mypaint.tracing import trace_actions
from artkit_mypaint.workers import Workers

SIDE, MARGIN = 64, 16


def rate(paint: Callable[[], object], strokes: int, repeats: int) -> float:
    """Strokes a second."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        paint()
        seconds.append(time.perf_counter() - began)
    return strokes / statistics.median(seconds)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brush", default="classic/dry_brush")
    parser.add_argument("--strokes", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    told = parser.parse_args()
    count = told.strokes
    actions = torch.rand(count, len(STROKE_SPACE), generator=torch.Generator().manual_seed(0))
    traces = trace_actions(actions, torch.zeros(count, 2), SIDE, torch.arange(count), 0)
    corners, sheet = np.full((count, 2), -MARGIN), SIDE + 2 * MARGIN
    brush = Brush(told.brush)
    found: dict[str, float] = {}

    def here() -> object:
        return paint_coverages(brush, traces, corners, sheet, sheet)

    found["in this process"] = rate(here, count, told.repeats)
    for processes in (1, 2):
        workers = Workers(told.brush, processes)
        workers.paint(traces.subset(slice(0, 8)), corners[:8], sheet, sheet)  # they start with the first strokes
        name = "1 process" if processes == 1 else f"{processes} processes"
        found[name] = rate(lambda pool=workers: pool.paint(traces, corners, sheet, sheet), count, told.repeats)  # type: ignore[misc]
    print(f"{told.brush}, {sheet} px sheets, {os.cpu_count()} cores")
    first = found["in this process"]
    for name, strokes_a_second in found.items():
        print(f"  {name:<16} {strokes_a_second:>8.0f} strokes/s  {strokes_a_second / first:>5.2f}")


if __name__ == "__main__":
    main()
