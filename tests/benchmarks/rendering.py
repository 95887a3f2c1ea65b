"""One step's rendering, forward and backward: artkit beside the paper's released code.

    python tests/benchmarks/rendering.py [--sizes 160 288 544 992] [--repeats 3] [--threads N]

The same canvas (tiles of 64 px that overlap by 32, 4 strokes a tile) is painted in several ways, each in a process of
its own, so that its peak memory can be told:

artkit     the `gan` painter on a `grid` canvas, strokes running over their tiles: those that a painting starts with
random     the same with uniformly random strokes, longer and broader than those of paintings
generator  the released code's generator on the same canvas of artkit, strokes cut at their tiles
released   the released code's way: one call of the generator and one composite of the whole canvas a stroke

Times are medians of the repeats: on the clock, and of all cores' work, which tells more where other programs run;
peaks are those of the whole process, Python and torch included.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

STROKES, TILE, OVERLAP = 4, 64, 32
WAYS = ("artkit", "random", "generator", "released")


def step_of(way: str, size: int) -> tuple[int, Callable[[], None]]:
    """How many strokes there are, and what paints them and takes their gradient."""
    import torch
    from released import NUMBERS, Released, make_generator, paint

    import artkit  # noqa: F401  (before torch: it tells OpenMP how long threads spin)
    from artkit.interfaces.canvas import Canvas
    from artkit.interfaces.scene import Scene
    from artkit.registry.plugin_registry import get_registry

    generator = torch.Generator().manual_seed(0)
    side = (size - OVERLAP) // (TILE - OVERLAP)
    count = side * side * STROKES
    looked_at = torch.randn(1, 3, size, size, generator=generator)
    if way == "released":
        actions = torch.rand(side * side, STROKES, NUMBERS, generator=generator, requires_grad=True)
        dcgan = make_generator()

        def render() -> torch.Tensor:
            return paint(dcgan, actions, side, side, OVERLAP)
    else:
        scene = Scene((size, size), torch.device("cpu"), 0, generator, torch.ones(3), lambda *_, **__: None)
        part = get_registry().component("renderer", "gan") if way in ("artkit", "random") else Released
        renderer = scene.renderer = part(part.Config(), scene)
        grid = get_registry().component("canvas", "grid")
        told = grid.Config(tile=TILE, overlap=OVERLAP, bleed=0, strokes=STROKES, clip=way == "generator")
        canvas: Canvas = grid(told, scene)
        assert canvas.stroke_count == count
        actions = torch.rand(1, count, len(renderer.space), generator=generator)
        if way == "artkit":
            scene.canvas = canvas
            agent = get_registry().component("agent", "free")
            actions = agent(agent.Config(), scene)(scene).detach()
        actions.requires_grad_()

        def render() -> torch.Tensor:
            return canvas.render(renderer, actions, scene.background)

    def step() -> None:
        actions.grad = None
        (render() * looked_at).sum().backward()  # type: ignore[no-untyped-call]
        assert actions.grad is not None

    return count, step


def measure(way: str, size: int, repeats: int, threads: int) -> dict[str, float]:
    """Seconds and peak memory of one way, in this process."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    count, step = step_of(way, size)
    step()  # the first one plans
    seconds, computed = [], []
    for _ in range(repeats):
        began, computed_before = time.perf_counter(), time.process_time()
        step()
        seconds.append(time.perf_counter() - began)
        computed.append(time.process_time() - computed_before)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "strokes": count,
        "seconds": statistics.median(seconds),
        "cpu": statistics.median(computed),
        "peak": peak / 1e9,
    }


def in_a_process(way: str, size: int, repeats: int, threads: int) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, "--sizes", str(size), "--repeats", str(repeats), "--threads", str(threads)]
    done = subprocess.run([*command, "--way", way], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} at {size} x {size} ended with exit status {done.returncode}")
    told: dict[str, float] = json.loads(done.stdout)
    return told


def free_bytes() -> float:
    """Memory that is free on this machine; without end where that cannot be told."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    return next(int(line.split()[1]) * 1024.0 for line in lines if line.startswith("MemAvailable"))


def released_bytes(size: int) -> float:
    """About what the released way needs: of each stroke it keeps some images of the whole canvas for the gradient."""
    strokes = ((size - OVERLAP) // (TILE - OVERLAP)) ** 2 * STROKES
    return 0.5e9 + strokes * size * size * 4 * 9


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[160, 288, 544, 992], help="sides of the canvas, px")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: as many as it likes")
    parser.add_argument("--way", choices=WAYS, help="measure this one, and print figures for the parent process")
    told = parser.parse_args()
    for size in told.sizes:
        if size < TILE or (size - OVERLAP) % (TILE - OVERLAP):
            parser.error(f"{size} px is no canvas of whole tiles: take 64, 96, 128, 160, …")
    if told.way:
        print(json.dumps(measure(told.way, told.sizes[0], told.repeats, told.threads)))
        return
    print(f"{'canvas':<10} {'strokes':>7}  {'way':<10} {'seconds':>8} {'ratio':>7} {'CPU s':>8} {'peak GB':>8}")
    for size in told.sizes:
        first = None
        for way in WAYS:
            label = f"{size}x{size}"
            if way == "released" and released_bytes(size) > 0.9 * free_bytes():
                need, free = released_bytes(size) / 1e9, free_bytes() / 1e9
                print(f"{label:<10} {'':>7}  {way:<10} needs about {need:.0f} GB; {free:.0f} GB are free")
                continue
            figures = in_a_process(way, size, told.repeats, told.threads)
            first = first or figures["seconds"]
            print(
                f"{label:<10} {figures['strokes']:>7}  {way:<10} {figures['seconds']:>8.3f} "
                f"{figures['seconds'] / first:>7.2f} {figures['cpu']:>8.3f} {figures['peak']:>8.2f}",
                flush=True,
            )
    print("ratio: seconds over artkit's")


if __name__ == "__main__":
    main()
