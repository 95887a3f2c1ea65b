"""The compiled brush engine beside libmypaint: its speed, and how exactly it paints the same strokes.

    python tests/benchmarks/engine.py [--brush classic/dry_brush] [--side 32] [--strokes 1320] [--repeats 5]
    python tests/benchmarks/engine.py --brushes painters|all [--strokes N]

Without `--brushes`: strokes per second of random strokes on tiles of `side` px, the best of the repeats, after a first
run that compiles the kernels. With it: the figures of `artkit fidelity mypaint` for the brushes with trained painters
(1,000 strokes of each by default), or for all brushes whose coverage does not depend on the canvas (200 of each).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence

import numpy as np
import torch
from timing import best_seconds

from artkit import UsageError
from artkit.registry.plugin_registry import get_registry
from artkit_mypaint import stroke_geometry
from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_mypaint.brush import Brush
from artkit_mypaint.brush_files import brush_names
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine_fidelity import compare
from artkit_mypaint.painting import paint_coverages
from artkit_mypaint.tracing import trace_actions
from artkit_mypaint.workers import Workers

SPEED_STROKES = 1320
FIDELITY_STROKES = {"painters": 1000, "all": 200}
MIN_EQUAL_COUNTS = 0.98
"""Brushes with a smaller share of strokes with equal numbers of dabs are counted."""

_NAME_WIDTH = 34


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brush", default="classic/dry_brush")
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--strokes", type=int)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--brushes", choices=FIDELITY_STROKES)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.brushes:
        brushes = get_registry().component("renderer", "gan").trained_brushes()
        brushes = brushes if arguments.brushes == "painters" else comparable_brushes()
        print_fidelity(brushes, arguments.strokes or FIDELITY_STROKES[arguments.brushes], arguments.seed)
    else:
        strokes = arguments.strokes or SPEED_STROKES
        print_speed(arguments.brush, arguments.side, strokes, arguments.repeats, arguments.seed)


def print_speed(brush: str, side: int, count: int, repeats: int, seed: int) -> None:
    """Print strokes per second of the engine and of libmypaint, and the ratio to two processes of libmypaint."""
    actions = torch.rand(count, len(STROKE_SPACE), generator=torch.Generator().manual_seed(seed))
    paths = trace_actions(actions, torch.zeros(count, 2), side, torch.arange(count), seed)
    margin = stroke_geometry.margin(side)
    corners, patch_size = np.full((count, 2), -margin), side + 2 * margin
    engine, workers = Engine(brush), {processes: Workers(brush, processes) for processes in (2, 1)}
    functions: dict[str, Callable[[], object]] = {
        "libmypaint, 2 processes": lambda: workers[2].paint(paths, corners, patch_size, patch_size),
        "libmypaint, 1 process": lambda: workers[1].paint(paths, corners, patch_size, patch_size),
        "libmypaint, in this process": lambda: paint_coverages(
            workers[1].brush, paths, corners, patch_size, patch_size
        ),
        "engine, all cores": lambda: engine.paint(paths, corners, patch_size, patch_size),
        "engine, dabs alone": lambda: engine.dabs(paths),
    }
    _, dab_counts = engine.dabs(paths)
    dabs = int(dab_counts.sum())
    print(f"{brush}, {count:,} strokes of {dabs / count:.0f} dabs, patches of {patch_size} px, {os.cpu_count()} cores")
    seconds = best_seconds(list(functions.values()), repeats)
    print(f"{'':<28} {'strokes/s':>12} {'dabs/s':>12} {'ratio':>7}")
    for name, time in zip(functions, seconds, strict=True):
        print(f"{name:<28} {count / time:>12,.0f} {dabs / time:>12,.0f} {seconds[0] / time:>7.2f}")


def comparable_brushes() -> list[str]:
    """Return the names of the brushes that the engine paints, and of those that only change their colour as well."""
    names = []
    for name in brush_names():
        try:
            Brush(name).require_supported()
        except UsageError:
            continue
        names.append(name)
    return names


def print_fidelity(brushes: Sequence[str], strokes: int, seed: int) -> None:
    """Print the figures of each brush, and a summary."""
    print(f"{strokes:,} strokes of each brush, tiles of 32 px, seed {seed}: the engine's errors against libmypaint")
    print(f"{'':<{_NAME_WIDTH}} equal counts  dabs p99, px      mean     p99.9       max")
    figures = []
    for brush in brushes:
        figures.append(row := compare(brush, strokes, seed))
        errors = "".join(f"{row[f'coverage_error_{key}']:>10.1e}" for key in ("mean", "p999", "max"))
        print(f"{brush:<{_NAME_WIDTH}} {row['equal_counts']:>12.2%} {row['dab_error_p99']:>13.1e}{errors}", flush=True)
    equal = [row["equal_counts"] for row in figures]
    below = sum(share < MIN_EQUAL_COUNTS for share in equal)
    mean_error = sum(row["coverage_error_mean"] for row in figures) / len(figures)
    print(
        f"{len(figures)} brushes: {sum(equal) / len(equal):.3%} of the strokes have equal counts, {below} brushes are "
        f"below {MIN_EQUAL_COUNTS:.0%}, mean coverage error {mean_error:.1e}"
    )


if __name__ == "__main__":
    main()
