"""Executors: run many jobs, in processes of this machine or on several machines."""

from __future__ import annotations

import importlib
import traceback
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from artkit.config import Config
from artkit.errors import ArtkitError
from artkit.interfaces.component import Component

EventKind = Literal["started", "progress", "finished", "failed", "restarted"]


@dataclass(frozen=True)
class Job:
    """A piece of work that an executor runs in some process.

    name: unique among the jobs of an executor. function: the import path of a generator function, such as
    ``artkit.sweep.job:paint``. arguments: its keyword arguments. The function yields reports of its progress and
    returns a result. Arguments, reports and result consist of what JSON can hold. A function that is closed early saves
    its work; called again with the same arguments, it continues.

    Examples:
        >>> import artkit
        >>> job = artkit.Job("three", "artkit.sample_jobs:count", {"steps": 3})
        >>> [event.kind for event in job.run()]
        ['started', 'progress', 'progress', 'progress', 'finished']
    """

    name: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def run(self) -> Generator[JobEvent, None, None]:
        """Run the job in this process and yield its events, from ``started`` to ``finished`` or ``failed``.

        Closing the generator closes the job's function; what it raises then is raised.
        """
        yield JobEvent(self.name, "started")
        reports: Generator[Any, None, Any] | None = None
        try:
            event = JobEvent(self.name, "progress")
            while event.kind == "progress":
                try:
                    reports = reports or self._call()
                    event = JobEvent(self.name, "progress", next(reports))
                except StopIteration as stop:
                    event = JobEvent(self.name, "finished", stop.value)
                except Exception as error:
                    event = JobEvent(self.name, "failed", _describe(error))
                yield event
        finally:
            if reports:
                reports.close()

    def _call(self) -> Generator[Any, None, Any]:
        module, _, function = self.function.partition(":")
        reports: Generator[Any, None, Any] = getattr(importlib.import_module(module), function)(**self.arguments)
        return reports


@dataclass(frozen=True)
class JobEvent:
    """What happened to a job.

    job: its name. kind and value: ``started``; ``progress`` with what its function yielded; ``finished`` with what it
    returned; ``failed`` with the strings ``error``, ``hint`` and ``traceback``, of which the last two may be empty; and
    ``restarted`` with a string, after the death of the process that ran it.

    Examples:
        >>> import artkit
        >>> list(artkit.Job("two", "artkit.sample_jobs:count", {"steps": 2}).run())[-1]
        JobEvent(job='two', kind='finished', value=[1, 2])
    """

    job: str
    kind: EventKind
    value: Any = None


class Executor(Component, ABC):
    """Runs jobs, several at a time. Used in a ``with`` block, at whose end its processes stop.

    workers: the number of jobs that run at the same time. isolated: whether jobs run in processes of their own, whose
    death `execute` survives. on_this_machine: whether all jobs share the memory of this machine.

    Examples:
        >>> import artkit
        >>> class Here(artkit.Executor):
        ...     name = "here"
        ...     def execute(self, jobs):
        ...         for job in jobs:
        ...             yield from job.run()
        >>> with Here(Here.Config()) as executor:
        ...     [e.value for e in executor.execute([artkit.Job("one", "artkit.sample_jobs:count", {"steps": 1})])]
        [None, 1, [1]]
    """

    isolated: ClassVar[bool] = False
    on_this_machine: ClassVar[bool] = True

    def __init__(self, config: Config, workers: int | None = None) -> None:
        """workers: None for as many as the executor chooses. Raises ArtkitError if jobs cannot be run."""
        self.config, self.provenance = config, {}
        self.workers = workers or 1

    @abstractmethod
    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        """Run jobs and yield their events until each has finished or failed.

        The jobs start in the given order. A job that fails does not affect the others. If the iterator is closed early,
        or Ctrl-C is pressed, the jobs that run are closed, which saves their work, and the others do not start. It may
        be called again: what the jobs have loaded stays loaded.
        """

    def close(self) -> None:
        """Stop all processes. Does nothing by default."""

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _describe(error: Exception) -> dict[str, str]:
    """Return the value of a ``failed`` event: an error of the user has no traceback, a bug has one."""
    if isinstance(error, ArtkitError):
        return {"error": error.message, "hint": error.hint, "traceback": ""}
    text = f"{type(error).__name__}: {error}"
    return {"error": text, "hint": "", "traceback": "".join(traceback.format_exception(error))}
