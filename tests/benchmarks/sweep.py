"""Workers side by side in sweeps and on the windows of a picture, and runs whose workers are killed.

    python tests/benchmarks/sweep.py workers [--runs 8] [--repeats 3] [--set KEY=VALUE]...
    python tests/benchmarks/sweep.py overhead [--set KEY=VALUE]...
    python tests/benchmarks/sweep.py windows [--repeats 3] [--set KEY=VALUE]...
    python tests/benchmarks/sweep.py kills [--runs 20] [--kills 50] [--set KEY=VALUE]...

`workers`: seconds of a sweep of the photo recipe by two workers and by one, of one thread each, with the start of the
workers; its processor time; seconds of a run after the start; and the time of the same runs by a loop of `artkit run`.
`overhead`: seconds of one run by `artkit sweep` and by `artkit run`. `windows`: seconds of a step of a picture of many
windows in the process of the run, by one worker and by two, of one thread each, without their start. `kills`: workers
are killed at random moments; whether all runs finish, and with the same bytes as undisturbed.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import torch

import artkit  # noqa: F401  (sets environment variables of OpenMP, so it must be imported before torch)
from artkit.engine.painting_task import PaintingTask
from artkit.engine.parallel_windows import ParallelWindows
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import shipped_recipes
from artkit.sweep.plan import plan_sweep
from artkit.sweep.sweep import Sweep
from artkit_executors.local import Local

SHORT = ("size=[96, 64]", "steps=10")
WINDOWS = ("size=[1024, 1024]", "window=256", "canvas.tile=32", "steps=20")
FILES = ("painting.png", "strokes.json", "checkpoint.safetensors", "recipe.toml")


def sweep_seconds(folder: Path, runs: int, workers: int, settings: Sequence[str], restarts: int = 0) -> list[float]:
    """Run seeds of the photo recipe. Return the seconds of the whole sweep, and those after the first finished run."""
    plan = plan_sweep([shipped_recipes()["photo"]], settings, (), runs)
    executor = Local(Local.Config(threads=1, restarts=restarts), workers)
    started = first = time.perf_counter()
    finished = 0
    with executor, Sweep(folder, plan) as sweep:
        for event in sweep.execute(executor):
            if event.kind == "failed":
                raise SystemExit(f"{event.job}: {event.value}")
            finished += event.kind == "finished"
            if event.kind == "finished" and finished == workers:
                first = time.perf_counter()
    ended = time.perf_counter()
    return [ended - started, ended - first]


def command_seconds(*arguments: str) -> float:
    """Run a command of artkit with one thread and return its seconds."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "artkit", *arguments], check=True, capture_output=True, env=environment)
    return time.perf_counter() - started


def measure_workers(folder: Path, runs: int, repeats: int, settings: Sequence[str]) -> None:
    """Print the table of `workers`."""
    print(f"{runs} runs, {' '.join(settings)}; best of {repeats}")
    print(f"{'':<16} {'seconds':>8} {'CPU, s':>8} {'warm, s a run':>14}")
    rows: dict[int, list[tuple[float, float, float]]] = {1: [], 2: []}
    for repeat in range(repeats):
        for workers in rows:
            before = _cpu_seconds()
            whole, warm = sweep_seconds(folder / f"{workers}-{repeat}", runs, workers, settings)
            rows[workers].append((whole, _cpu_seconds() - before, warm / (runs - workers)))
    best = {workers: tuple(map(min, zip(*measured, strict=True))) for workers, measured in rows.items()}
    for workers, (whole, cpu, warm) in best.items():
        print(f"{workers} worker{'s' * (workers > 1):<8} {whole:>8.1f} {cpu:>8.1f} {warm:>14.2f}")
    alone = min(command_seconds("run", "photo", *_options(settings), "--out", f"{folder}/alone-{n}") for n in range(2))
    print(f"{'artkit run':<16} {alone * runs:>8.1f} {'':>8} {alone:>14.2f}")
    print(f"two workers over one: {best[1][0] / best[2][0]:.2f}; warm {best[1][2] / best[2][2]:.2f}")
    print(f"two workers over a loop of artkit run: {alone * runs / best[2][0]:.2f}")


def _cpu_seconds() -> float:
    """Return the processor time of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure_overhead(folder: Path, settings: Sequence[str]) -> None:
    """Print what `artkit sweep` takes beyond `artkit run`."""
    before = _cpu_seconds()
    run = command_seconds("run", "photo", *_options(settings), "--out", f"{folder}/run")
    between = _cpu_seconds()
    sweep = command_seconds("sweep", "photo", *_options(settings), "--workers", "1", "--out", f"{folder}/sweep")
    run_cpu, sweep_cpu = between - before, _cpu_seconds() - between
    print(f"artkit run {run:.1f} s, artkit sweep {sweep:.1f} s: {sweep - run:.1f} s more, {sweep / run - 1:.1%}")
    print(f"processor time {run_cpu:.1f} s and {sweep_cpu:.1f} s: {sweep_cpu - run_cpu:.1f} s more")


def measure_windows(folder: Path, repeats: int, settings: Sequence[str]) -> None:
    """Print the table of `windows`."""
    torch.set_num_threads(1)
    rows: dict[str, list[float]] = {}
    recipe = read_recipe([shipped_recipes()["photo"]], [*WINDOWS, *settings])
    for name, workers in (("alone", 0), ("1 worker", 1), ("2 workers", 2)):
        task = PaintingTask(recipe, torch.device("cpu"), folder)
        with Local(Local.Config(threads=1), workers or None) as executor:
            if workers:
                task.parallel = ParallelWindows(task, executor)
            for epoch in range(repeats + 1):  # the first starts the workers
                started = time.perf_counter()
                for step in range(epoch * task.windows.count, (epoch + 1) * task.windows.count):
                    losses = task.step(step)
                if epoch:
                    rows.setdefault(name, []).append((time.perf_counter() - started) / task.windows.count)
        print(f"{name:<10} {min(rows[name]):.3f} s/step, {task.windows.count} windows, loss {losses['loss']:.6f}")
    print(f"two workers over one: {min(rows['1 worker']) / min(rows['2 workers']):.2f}")
    print(f"two workers over the process of the run: {min(rows['alone']) / min(rows['2 workers']):.2f}")


def measure_kills(folder: Path, runs: int, kills: int, settings: Sequence[str]) -> None:
    """Print whether runs whose workers are killed have the same bytes as undisturbed."""
    sweep_seconds(folder / "undisturbed", runs, 2, settings)
    done, killed = threading.Event(), 0
    chance = random.Random(0)

    def kill() -> None:
        nonlocal killed
        while killed < kills and not done.wait(chance.uniform(0, 5)):
            if workers := _children():
                os.kill(chance.choice(workers), signal.SIGKILL)
                killed += 1

    thread = threading.Thread(target=kill)
    thread.start()
    seconds, _ = sweep_seconds(folder / "killed", runs, 2, settings, restarts=kills)
    done.set()
    thread.join()
    same = sum(
        all((run / name).read_bytes() == (folder / "undisturbed" / run.name / name).read_bytes() for name in FILES)
        for run in sorted((folder / "killed").glob("seed=*"))
    )
    print(f"{killed} kills in {seconds:.0f} s: {same} of {runs} runs have the same bytes")


def _children() -> list[int]:
    """Return the child processes of this process that are no zombies."""
    text = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return [pid for pid in map(int, text.split()) if "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()]


def _options(settings: Sequence[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["workers", "overhead", "windows", "kills"])
    parser.add_argument("--runs", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.what == "workers":
            measure_workers(folder, arguments.runs or 8, arguments.repeats, [*SHORT, *arguments.settings])
        elif arguments.what == "overhead":
            measure_overhead(folder, arguments.settings)
        elif arguments.what == "windows":
            measure_windows(folder, arguments.repeats, arguments.settings)
        else:
            measure_kills(folder, arguments.runs or 20, arguments.kills, [*SHORT, *arguments.settings])


if __name__ == "__main__":
    main()
