"""The number of strokes per second that MyPaint paints, in this process and in one or two worker processes.

    python tests/benchmarks/mypaint_speed.py [--brush classic/dry_brush] [--strokes 2000] [--repeats 3]

Random strokes on tiles of 64 px with a margin of 16 px; the median of the repeats.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

import numpy as np
import torch
from timing import median_seconds

from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_mypaint.painting import paint_coverages
from artkit_mypaint.tracing import trace_actions
from artkit_mypaint.workers import Workers

SIDE, MARGIN = 64, 16


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brush", default="classic/dry_brush")
    parser.add_argument("--strokes", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    count = arguments.strokes
    actions = torch.rand(count, len(STROKE_SPACE), generator=torch.Generator().manual_seed(0))
    paths = trace_actions(actions, torch.zeros(count, 2), SIDE, torch.arange(count), 0)
    corners, patch_size = np.full((count, 2), -MARGIN), SIDE + 2 * MARGIN
    brush = Workers(arguments.brush).brush
    functions: dict[str, Callable[[], object]] = {
        "in this process": lambda: paint_coverages(brush, paths, corners, patch_size, patch_size)
    }
    for processes in (1, 2):
        workers = Workers(arguments.brush, processes)
        name = "1 process" if processes == 1 else f"{processes} processes"
        functions[name] = lambda workers=workers: workers.paint(paths, corners, patch_size, patch_size)  # type: ignore[misc]
    print(f"{arguments.brush}, patches of {patch_size} px, {os.cpu_count()} cores")
    rates = [count / seconds for seconds in median_seconds(list(functions.values()), arguments.repeats)]
    for name, rate in zip(functions, rates, strict=True):
        print(f"  {name:<16} {rate:>8.0f} strokes/s  {rate / rates[0]:>5.2f}")


if __name__ == "__main__":
    main()
