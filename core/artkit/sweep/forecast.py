"""Forecast of the time and the memory of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from artkit.formatting import counted, format_duration
from artkit.interfaces.executor import Executor, Job
from artkit.memory import check_memory
from artkit.sweep.plan import PlannedRun

_MAX_ATTEMPTS = 3  # runs that are measured, if the first ones fail


def forecast(runs: Sequence[PlannedRun], executor: Executor, folder: Path, device: str | None) -> str:
    """Return the number of runs and an estimate of their time and memory as text.

    A worker measures the run of the largest picture; the time of others is in proportion to their steps and pixels.
    Raises UsageError if the workers need more memory than this machine has.
    """
    at_a_time = min(executor.workers, len(runs))
    text = f"{counted(len(runs), 'run')}, {at_a_time} at a time"
    if not runs:
        return "no run is left"
    for largest in sorted(runs, key=_pixels, reverse=True)[:_MAX_ATTEMPTS]:
        arguments = {"recipe": largest.recipe.resolved(), "folder": str(folder.absolute()), "device": device}
        job = Job(largest.name, "artkit.sweep.job:forecast", arguments)
        end = [event for event in executor.execute([job]) if event.kind in ("finished", "failed")][-1]
        if end.kind == "finished":
            break
    else:  # the runs will report the reason
        return text
    measured = end.value
    if measured["step"]:
        steps = [measured["steps"] * run.recipe.settings.steps / max(largest.recipe.settings.steps, 1) for run in runs]
        scale = [_pixels(run) / _pixels(largest) for run in runs]
        seconds = sum(measured["setup"] + s * k * measured["step"] for s, k in zip(steps, scale, strict=True))
        text += f", about {format_duration(max(seconds / at_a_time, 1))}"
    text += f", about {measured['bytes'] / 2**30:.1f} GB of memory for each"
    if executor.on_this_machine:
        check_memory(
            at_a_time * measured["bytes"],
            f"{counted(at_a_time, 'run')} at a time would take",
            hint="set fewer --workers",
        )
    return text


def _pixels(run: PlannedRun) -> int:
    width, height = run.recipe.size
    return width * height
