"""Forward and backward pass of rendering: artkit compared with the paper's released code.

    python tests/benchmarks/rendering.py [--sizes 160 288 544 992] [--repeats 3] [--threads N]

The same canvas (tiles of 64 px that overlap by 32, 4 strokes per tile) is rendered by several methods, each in a
process of its own, so that its peak memory can be measured:

artkit     the `gan` painter on a `grid` canvas with the initial strokes of the `free` agent; paint extends beyond tiles
random     the same with uniformly random strokes, which are longer and wider than those of paintings
generator  the released code's generator on the same canvas, with strokes clipped to their tiles
released   the released code's method: one call of the generator and one composite of the whole canvas per stroke

Times are medians of the repeats: wall time, and CPU time of all cores, which depends less on other programs. Peak
memory is that of the whole process, including Python and torch.
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

import artkit  # noqa: F401  (sets environment variables of OpenMP, so it must be imported before torch)

STROKES, TILE, OVERLAP = 4, 64, 32
METHODS = ("artkit", "random", "generator", "released")


def make_step(method: str, size: int) -> tuple[int, Callable[[], None]]:
    """Return the number of strokes, and a function that renders them and computes their gradient."""
    import torch
    from released import ACTION_SIZE, Released, make_generator, paint

    from artkit.interfaces.canvas import Canvas
    from artkit.interfaces.scene import Scene
    from artkit.registry.plugin_registry import get_registry

    generator = torch.Generator().manual_seed(0)
    side = (size - OVERLAP) // (TILE - OVERLAP)
    count = side * side * STROKES
    weight = torch.randn(1, 3, size, size, generator=generator)
    if method == "released":
        actions = torch.rand(side * side, STROKES, ACTION_SIZE, generator=generator, requires_grad=True)
        dcgan = make_generator()

        def render() -> torch.Tensor:
            return paint(dcgan, actions, side, side, OVERLAP)
    else:
        scene = Scene((size, size), torch.device("cpu"), 0, generator, torch.ones(3), lambda *_, **__: None)
        component = get_registry().component("renderer", "gan") if method in ("artkit", "random") else Released
        renderer = scene.renderer = component(component.Config(), scene)
        grid = get_registry().component("canvas", "grid")
        config = grid.Config(tile=TILE, overlap=OVERLAP, bleed=0, strokes=STROKES, clip=method == "generator")
        canvas: Canvas = grid(config, scene)
        assert canvas.stroke_count == count
        actions = torch.rand(1, count, len(renderer.space), generator=generator)
        if method == "artkit":
            scene.canvas = canvas
            agent = get_registry().component("agent", "free")
            actions = agent(agent.Config(), scene)(scene).detach()
        actions.requires_grad_()

        def render() -> torch.Tensor:
            return canvas.render(renderer, actions, scene.background)

    def step() -> None:
        actions.grad = None
        (render() * weight).sum().backward()  # type: ignore[no-untyped-call]
        assert actions.grad is not None

    return count, step


def measure(method: str, size: int, repeats: int, threads: int) -> dict[str, float]:
    """Measure time and peak memory of a method in this process."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    count, step = make_step(method, size)
    step()  # warm-up
    wall_seconds, cpu_seconds = [], []
    for _ in range(repeats):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        step()
        wall_seconds.append(time.perf_counter() - wall_start)
        cpu_seconds.append(time.process_time() - cpu_start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "strokes": count,
        "seconds": statistics.median(wall_seconds),
        "cpu": statistics.median(cpu_seconds),
        "peak": peak / 1e9,
    }


def measure_in_process(method: str, size: int, repeats: int, threads: int) -> dict[str, float]:
    """Call `measure` in a process of its own."""
    command = [sys.executable, __file__, "--sizes", str(size), "--repeats", str(repeats), "--threads", str(threads)]
    process = subprocess.run([*command, "--method", method], stdout=subprocess.PIPE, text=True, check=False)
    if process.returncode:
        raise SystemExit(f"{method} at {size} x {size} failed with exit status {process.returncode}")
    figures: dict[str, float] = json.loads(process.stdout)
    return figures


def free_bytes() -> float:
    """Return the free memory of this machine, or infinity if it is unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    return next(int(line.split()[1]) * 1024.0 for line in lines if line.startswith("MemAvailable"))


def released_bytes(size: int) -> float:
    """Estimate the memory of the released method, which saves 9 values per stroke and pixel of the canvas."""
    strokes = ((size - OVERLAP) // (TILE - OVERLAP)) ** 2 * STROKES
    return 0.5e9 + strokes * size * size * 4 * 9


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[160, 288, 544, 992], help="sides of the canvas, px")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; 0 for its default")
    parser.add_argument(
        "--method", choices=METHODS, help="measure only this one, and print JSON for the parent process"
    )
    options = parser.parse_args()
    for size in options.sizes:
        if size < TILE or (size - OVERLAP) % (TILE - OVERLAP):
            parser.error(f"a canvas of {size} px does not consist of whole tiles: use 64, 96, 128, 160, …")
    if options.method:
        print(json.dumps(measure(options.method, options.sizes[0], options.repeats, options.threads)))
        return
    print(f"{'canvas':<10} {'strokes':>7}  {'method':<10} {'seconds':>8} {'ratio':>7} {'CPU s':>8} {'peak GB':>8}")
    for size in options.sizes:
        first = None
        for method in METHODS:
            label = f"{size}x{size}"
            if method == "released" and released_bytes(size) > 0.9 * free_bytes():
                needed, free = released_bytes(size) / 1e9, free_bytes() / 1e9
                print(f"{label:<10} {'':>7}  {method:<10} needs about {needed:.0f} GB; {free:.0f} GB are free")
                continue
            figures = measure_in_process(method, size, options.repeats, options.threads)
            first = first or figures["seconds"]
            print(
                f"{label:<10} {figures['strokes']:>7}  {method:<10} {figures['seconds']:>8.3f} "
                f"{figures['seconds'] / first:>7.2f} {figures['cpu']:>8.3f} {figures['peak']:>8.2f}",
                flush=True,
            )
    print("ratio: seconds divided by artkit's")


if __name__ == "__main__":
    main()
