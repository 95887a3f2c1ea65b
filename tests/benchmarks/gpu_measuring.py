"""What the sections of gpu.py measure with: times of functions and of steps, bandwidth, and the share of kernels."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECIPES = Path(__file__).parents[2] / "recipes"


@dataclass
class Bench:
    """What the sections share. folder: for runs; the photo's is `photo`. quick: small sizes."""

    device: Any
    folder: Path
    quick: bool
    mnist: Path | None

    def report(self, name: str, value: Any) -> None:
        """Print a figure."""
        value = float(f"{value:.5g}") if isinstance(value, float) else value
        print(json.dumps({"name": name, "value": value}), flush=True)

    def timed(self, function: Callable[[], object], repeats: int = 5) -> float:
        """Return the best seconds of a function, after a first call that compiles and warms up."""
        from artkit.devices import synchronize

        best = math.inf
        for index in range(1 + (1 if self.quick else repeats)):
            synchronize(self.device)
            started = time.perf_counter()
            function()
            synchronize(self.device)
            if index:
                best = min(best, time.perf_counter() - started)
        return best

    def task(self, recipe: str, *settings: str) -> Any:
        """Return the task of a shipped recipe on the device."""
        from artkit.engine.agent_training import AgentTrainingTask
        from artkit.engine.painting_task import PaintingTask
        from artkit.engine.renderer_training import RendererTrainingTask
        from artkit.recipes.reading import read_recipe

        loaded = read_recipe([RECIPES / recipe], list(settings))
        if loaded.trains_renderer:
            folder = self.folder / Path(recipe).stem
            folder.mkdir(exist_ok=True)
            task: Any = RendererTrainingTask(loaded, self.device, folder)
            task.prepare()
            return task
        return (AgentTrainingTask if loaded.trains_agent else PaintingTask)(loaded, self.device)

    def seconds_per_step(self, task: Any, steps: int) -> float:
        """Return the seconds of a step of a task, after two for warm-up."""
        from artkit.devices import synchronize

        steps = 3 if self.quick else steps
        for step in range(steps):
            if step == 2:
                synchronize(self.device)
                started = time.perf_counter()
            task.step(step)
        synchronize(self.device)
        return (time.perf_counter() - started) / (steps - 2)


def copy_bandwidth(bench: Bench) -> float:
    """Return the bytes that a copy reads and writes in a second: the memory bandwidth that can be reached."""
    import torch

    source = torch.zeros((1 << 20) if bench.quick else (1 << 28), device=bench.device)
    target = torch.empty_like(source)
    return 2 * 4 * source.numel() / bench.timed(lambda: target.copy_(source))


@contextmanager
def stopwatch(bench: Bench, target: Any, name: str, seconds: dict[str, float], label: str) -> Iterator[None]:
    """Add the time of all calls of a method to `seconds[label]`."""
    from artkit.devices import synchronize

    method = getattr(target, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        synchronize(bench.device)
        started = time.perf_counter()
        result = method(*args, **kwargs)
        synchronize(bench.device)
        seconds[label] = seconds.get(label, 0.0) + time.perf_counter() - started
        return result

    object.__setattr__(target, name, timed)
    yield
    object.__delattr__(target, name)


def busy_share(bench: Bench, task: Any, first_step: int) -> float:
    """Return the time of all kernels over the time of three steps."""
    from torch.profiler import ProfilerActivity, profile

    from artkit.devices import synchronize

    synchronize(bench.device)
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        started = time.perf_counter()
        for step in range(first_step, first_step + 3):
            task.step(step)
        synchronize(bench.device)
        elapsed = time.perf_counter() - started
    return float(sum(event.self_device_time_total for event in profiler.key_averages()) / 1e6 / elapsed)


def longest_kernels(bench: Bench, task: Any) -> list[str]:
    """Return the operations that take longest in a step, with their milliseconds and counts."""
    from torch.profiler import ProfilerActivity, profile

    on_gpu = bench.device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as profiler:
        bench.seconds_per_step(task, 3)
    name = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    events = sorted(profiler.key_averages(), key=lambda event: -getattr(event, name))[:25]
    return [f"{getattr(e, name) / 3e3:.3f} ms, {e.count / 3:.0f} times, {e.key[:80]}" for e in events]
