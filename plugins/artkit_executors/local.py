"""``--executor local``: several jobs at a time on one machine."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field

from artkit import Config as BaseConfig
from artkit import Executor, Job, JobEvent
from artkit.memory import total_memory

_BYTES_PER_WORKER = 2 << 30  # memory that a worker of the default number of workers can use
_EXIT_SECONDS = 5.0  # time that idle workers have to exit

_Message = tuple["_Worker", Any]


class Local(Executor):
    """Worker processes on this machine, which keep networks and compiled kernels loaded between jobs.

    By default there are as many workers as cores, but no more than have 2 GB of memory each.
    """

    name = "local"
    isolated = True

    class Config(BaseConfig):
        """Settings."""

        threads: Annotated[int, Field(ge=1)] | None = None
        """Threads of each worker. By default the cores are divided among the workers."""
        gpus: tuple[Annotated[int, Field(ge=0)], ...] = ()
        """Numbers of the CUDA GPUs among which the workers are divided. By default all use the first."""
        restarts: Annotated[int, Field(ge=0)] = 10
        """How often a job is started again after its worker was killed."""

    config: Config

    def __init__(self, config: BaseConfig, workers: int | None = None) -> None:
        default = max(1, min(_cores(), total_memory() // _BYTES_PER_WORKER))
        super().__init__(config, workers or default)
        self._workers: list[_Worker] = []
        self._messages: queue.Queue[_Message] = queue.Queue()

    @property
    def threads(self) -> int:
        """The number of threads of each worker: no more than OMP_NUM_THREADS allows a process, if it is set."""
        limit = os.environ.get("OMP_NUM_THREADS", "")
        share = max(1, _cores() // self.workers)
        return self.config.threads or (max(1, min(share, int(limit))) if limit.isdigit() else share)

    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        waiting, deaths = deque(jobs), Counter[str]()
        try:
            while waiting or any(worker.job for worker in self._workers):
                self._assign(waiting)
                worker, message = self._messages.get()
                job = worker.job
                if message is None:
                    self._workers.remove(worker)
                if job is None:
                    continue  # an idle worker was killed; another one starts when it is needed
                if message is not None:
                    event = JobEvent(**message)
                    if event.kind in ("finished", "failed"):
                        worker.job = None
                    yield event
                    continue
                deaths[job.name] += 1
                if deaths[job.name] > self.config.restarts:
                    hint = "it may need more memory than there is: set fewer --workers"
                    reason = f"its worker died {deaths[job.name]} times, at last by {worker.cause_of_death()}"
                    yield JobEvent(job.name, "failed", {"error": reason, "hint": hint, "traceback": ""})
                else:
                    waiting.appendleft(job)
                    yield JobEvent(job.name, "restarted", f"its worker died by {worker.cause_of_death()}")
        finally:
            self._stop_jobs()

    def _assign(self, waiting: deque[Job]) -> None:
        """Give the next jobs to idle workers, and start workers up to their number."""
        while waiting:
            worker = next((worker for worker in self._workers if worker.job is None), None)
            if worker is None:
                if len(self._workers) >= self.workers:
                    return
                used = {other.index for other in self._workers}
                index = next(i for i in range(self.workers) if i not in used)
                worker = _Worker(index, self._environment(index), self._messages)
                self._workers.append(worker)
            worker.start(waiting.popleft())

    def _environment(self, index: int) -> dict[str, str]:
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads)}
        if self.config.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = str(self.config.gpus[index % len(self.config.gpus)])
        return environment

    def _stop_jobs(self) -> None:
        """Let the running jobs save their work. Another Ctrl-C kills them."""
        try:
            for worker in self._workers:
                worker.stop_job()
            while any(worker.job for worker in self._workers):
                worker, message = self._messages.get()
                if message is None:
                    self._workers.remove(worker)
                if message is None or message["kind"] in ("finished", "failed", "stopped"):
                    worker.job = None
        except BaseException:
            self._kill()
            raise

    def close(self) -> None:
        self._stop_jobs()
        for worker in self._workers:
            worker.close_input()
        for worker in self._workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(_EXIT_SECONDS)
        self._kill()

    def _kill(self) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.wait()
        self._workers.clear()


class _Worker:
    """A worker process, and the thread that reads its messages into a queue; None after them means that it is dead.

    job: what it runs at the moment.
    """

    def __init__(self, index: int, environment: dict[str, str], messages: queue.Queue[_Message]) -> None:
        self.index = index
        self.job: Job | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "artkit_executors.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            process_group=0,  # so that Ctrl-C in a terminal does not reach it
            encoding="utf-8",
        )
        threading.Thread(target=self._read, args=(messages,), daemon=True).start()

    def _read(self, messages: queue.Queue[_Message]) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):  # the worker was killed while it wrote the line
                messages.put((self, json.loads(line)))
        self.process.wait()
        messages.put((self, None))

    def start(self, job: Job) -> None:
        """Start a job."""
        self.job = job
        self._write({"name": job.name, "function": job.function, "arguments": dict(job.arguments)})

    def stop_job(self) -> None:
        """Ask the process to stop its job; it answers ``stopped``, unless the job ends before."""
        if self.job:
            self._write(None)

    def close_input(self) -> None:
        """Ask the process to exit."""
        assert self.process.stdin
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def _write(self, message: dict[str, Any] | None) -> None:
        assert self.process.stdin
        with contextlib.suppress(OSError):  # it is dead, as the reading thread reports
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()

    def cause_of_death(self) -> str:
        """Return the signal that killed the process or, if it exited, its exit code and the end of its errors."""
        if (code := self.process.returncode) < 0:
            return signal.Signals(-code).name
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        return f"exit code {code}" + (f" ({last})" if last else "")


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
