"""Progress of all runs of a sweep: bars on a terminal, and lines of text elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Protocol

import click

from artkit.formatting import format_duration

if TYPE_CHECKING:
    from artkit.interfaces.executor import Executor, JobEvent
    from artkit.sweep.sweep import Sweep

_LINE_INTERVAL_SECONDS = 10.0
"""Time between two lines about the runs that are at work, where the output is no terminal."""


class _Display(Protocol):
    def __call__(self, event: JobEvent, seconds_left: float | None) -> None: ...


def show_progress(sweep: Sweep, executor: Executor) -> None:
    """Execute a sweep and show the progress of all runs.

    Raises KeyboardInterrupt after Ctrl-C, when the runs are saved.
    """
    count, done, started = len(sweep.runs_left), 0, time.monotonic()
    display = _bars(count) if sys.stderr.isatty() else _lines(sweep, count)
    try:
        with display as show, closing(sweep.execute(executor)) as events:  # type: ignore[type-var]
            for event in events:
                done += event.kind in ("finished", "failed")
                show(event, (time.monotonic() - started) / done * (count - done) if done else None)
    except KeyboardInterrupt:
        click.echo(f"the runs are saved in {sweep.folder}; to continue, repeat the command with --resume", err=True)
        raise


@contextmanager
def _bars(count: int) -> Iterator[_Display]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        total = bars.add_task("runs", total=count, text="")
        running: dict[str, TaskID] = {}

        def show(event: JobEvent, seconds_left: float | None) -> None:
            if event.kind == "started" and event.job not in running:
                running[event.job] = bars.add_task(event.job, total=None, text="")
            elif event.kind == "progress":
                loss = event.value["loss"]
                text = f"loss {loss:.4g}" if loss is not None else ""
                bars.update(running[event.job], completed=event.value["step"], total=event.value["steps"], text=text)
            elif event.kind in ("finished", "failed"):
                if event.job in running:
                    bars.remove_task(running.pop(event.job))
                left = f"{format_duration(seconds_left)} left" if seconds_left else ""
                bars.update(total, advance=1, text=left)
            if event.kind in ("failed", "restarted"):
                bars.console.print(_line(event), markup=False, highlight=False)

        yield show


@contextmanager
def _lines(sweep: Sweep, count: int) -> Iterator[_Display]:
    done, last = 0, time.monotonic()

    def show(event: JobEvent, seconds_left: float | None) -> None:
        nonlocal done, last
        if event.kind in ("finished", "failed"):
            done += 1
            left = f", {format_duration(seconds_left)} left" if seconds_left else ""
            click.echo(f"{_line(event)}  ({done} of {count}{left})", err=True)
        elif event.kind == "restarted":
            click.echo(_line(event), err=True)
        elif (now := time.monotonic()) - last > _LINE_INTERVAL_SECONDS:
            last = now
            running = [row for row in sweep.rows.values() if row["status"] == "running" and "steps" in row]
            listed = ", ".join(f"{row['name']} {row['step']}/{row['steps']}" for row in running)
            click.echo(f"running: {listed}", err=True)

    yield show


def _line(event: JobEvent) -> str:
    if event.kind == "finished":
        loss = event.value["loss"]
        return f"finished {event.job}" + (f"  loss {loss:.4g}" if loss is not None else "")
    if event.kind == "failed":
        return f"failed {event.job}: {event.value['error']}"
    return f"restarted {event.job}: {event.value}"
