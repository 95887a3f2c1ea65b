"""Checks of executors."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from artkit.interfaces.executor import Executor, Job, JobEvent
from artkit.sample_jobs import MAX_STEPS
from artkit.testing.assertions import expect
from artkit.testing.harness import Harness, Settings

_JOBS = "artkit.sample_jobs"


def check_executor(component: str | type[Executor], settings: Settings | None = None) -> None:
    """Check an executor, by name or class. Raises CheckFailures with all checks that fail.

    settings: of its Config.
    """
    harness = Harness("executor", component, settings, None)
    built: list[Executor] = []

    def bound(check: Callable[[Executor], None]) -> Callable[[Harness], None]:
        """Return a check of one executor that all checks share, since processes start slowly."""

        @functools.wraps(check)
        def run(harness: Harness) -> None:
            if not built:
                built.append(harness.build()[0])
                built[0].workers = min(built[0].workers, 2)
            check(built[0])

        return run

    try:
        harness.run(map(bound, (events, failures, stopping, deaths)))
    finally:
        for executor in built:
            executor.close()


def events(executor: Executor) -> None:
    """Each job starts, reports its progress and finishes, in this order; jobs start in the order of the list."""
    expect(executor.workers >= 1, f"workers is {executor.workers}, not at least 1")
    jobs = [Job(f"job {n}", f"{_JOBS}:count", {"steps": n}) for n in range(4)]
    for _ in range(2):  # it can be used again
        found = list(executor.execute(jobs))
        for n, job in enumerate(jobs):
            kinds = [(event.kind, event.value) for event in found if event.job == job.name]
            progress = [("progress", step + 1) for step in range(n)]
            expected = [("started", None), *progress, ("finished", list(range(1, n + 1)))]
            expect(kinds == expected, f"the events of a job of {n} steps are {kinds}, not {expected}")
        started = [event.job for event in found if event.kind == "started"]
        in_order = started == [job.name for job in jobs]
        expect(in_order or executor.workers > 1, f"the jobs start in the order {', '.join(started)}")


def failures(executor: Executor) -> None:
    """A job that fails is reported with its error, and the others finish."""
    jobs = [
        Job("wrong", f"{_JOBS}:count", {"steps": 1, "error": "it is wrong"}),
        Job("bug", f"{_JOBS}:count", {"steps": 1, "error": "bug"}),
        Job("no function", f"{_JOBS}:there_is_none"),
        Job("right", f"{_JOBS}:count", {"steps": 1}),
    ]
    ends = {event.job: event for event in executor.execute(jobs) if event.kind in ("finished", "failed")}
    expect(ends["right"].kind == "finished", "a job does not finish because another one fails")
    for name, text in (("wrong", "it is wrong"), ("bug", "LookupError: a bug"), ("no function", "there_is_none")):
        expect(ends[name].kind == "failed", f"a job that raises ends as {ends[name].kind}")
        value = ends[name].value
        expect(text in value["error"], f'the error of a job is {value["error"]!r}, without "{text}"')
    expect(ends["wrong"].value["hint"] == "remove it", "the hint of an error is lost")
    expect(ends["bug"].value["traceback"], "a bug has no traceback")


def stopping(executor: Executor) -> None:
    """Closing the iterator closes the jobs that run, and starts no others."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / str(n) for n in range(executor.workers + 1)]
        jobs = [Job(file.name, f"{_JOBS}:save_when_closed", {"file": str(file)}) for file in files]
        with closing(_generator(executor.execute(jobs))) as found:
            event = next((event for event in found if event.kind == "progress" and event.value >= 3), None)
        if event is None:
            raise AssertionError("a job does not report its progress")
        saved = Path(folder) / event.job
        expect(saved.exists(), "a job is not closed when the iterator is closed, so that it does not save its work")
        steps = int(saved.read_text())
        expect(3 <= steps < MAX_STEPS, f"a job that was closed after step 3 was at step {steps} when it ended")
        expect(not files[-1].exists(), "a job has started although all workers were busy")


def deaths(executor: Executor) -> None:
    """A job whose process is killed is restarted, if the executor is isolated."""
    if not executor.isolated:
        return
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            Job("killed", f"{_JOBS}:die_once", {"file": str(Path(folder) / "killed")}),
            Job("other", f"{_JOBS}:count", {"steps": 1}),
        ]
        found = list(executor.execute(jobs))
    kinds = [event.kind for event in found if event.job == "killed"]
    expect("restarted" in kinds, f"the death of a process is not reported: {kinds}")
    ends = {event.job: event.value for event in found if event.kind == "finished"}
    expect(ends.get("killed") == "done", "a job whose process was killed does not finish")
    expect(ends.get("other") == [1], "a job does not finish because the process of another one was killed")


def _generator(found: Iterator[JobEvent]) -> Any:
    """Return the events with the method `close`, which an iterator that is no generator may lack."""
    expect(hasattr(found, "close"), "execute does not return a generator")
    return found
