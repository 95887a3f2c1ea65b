"""``--executor ray``: a cluster of Ray, of one machine or many."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field

from artkit import ArtkitError, Executor, Job, JobEvent, UsageError
from artkit import Config as BaseConfig

_OBJECT_STORE_BYTES = 128 << 20  # of a cluster that starts here; only events pass through it
_CONNECT_SECONDS = 5.0  # time in which the address of a cluster must answer


class Ray(Executor):
    """The machines of a Ray cluster. Each job is a task that requires the CPUs and GPUs of the settings.

    It uses the cluster of `address`, or else of the environment variable RAY_ADDRESS, or else the one that runs on this
    machine, and otherwise starts one for this command. All machines need artkit and see the same folders. By default
    there are as many jobs at a time as the cluster has room for.
    """

    name = "ray"
    isolated = True
    on_this_machine = False

    class Config(BaseConfig):
        """Settings."""

        address: str = ""
        """Address of the cluster, `HOST:PORT`."""
        cpus: Annotated[float, Field(gt=0)] = 1.0
        """CPUs of each job, and its number of threads."""
        gpus: Annotated[float, Field(ge=0)] = 0.0
        """GPUs of each job; with 0.5 two jobs share one."""
        restarts: Annotated[int, Field(ge=0)] = 10
        """How often a job is started again after its process or its machine died."""

    config: Config

    def __init__(self, config: BaseConfig, workers: int | None = None) -> None:
        try:
            import ray
        except ImportError as error:
            raise UsageError(
                f'the executor "ray" needs ray, which cannot be imported ({error})',
                hint="pip install 'neural-artkit[ray]'",
            ) from None
        super().__init__(config, workers)
        self._ray: Any = ray
        # Ray prints messages about its processes to standard output, which belongs to the results.
        self._redirection = contextlib.redirect_stdout(sys.stderr)
        self._connect()
        self._redirection.__enter__()
        room = self._room()
        self.workers = workers or room
        # max_calls=0: a process is reused for the next task, also with a GPU, so that networks stay loaded.
        task: Any = ray.remote(max_calls=0, max_retries=0, num_returns="streaming")(_run_job)
        self._task = task.options(num_cpus=self.config.cpus, num_gpus=self.config.gpus)

    def _connect(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # otherwise it warns
        address = self.config.address or os.environ.get("RAY_ADDRESS", "")
        _check_reachable(address)
        options = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            self._ray.init(address or "auto", **options)
        except self._ray.exceptions.AuthenticationError as error:
            raise ArtkitError(
                f"the Ray cluster refuses the token of this machine ({str(error).partition('.')[0]})",
                hint="set RAY_AUTH_MODE=token, and copy ~/.ray/auth_token from its head node",
            ) from None
        except ConnectionError as error:
            if address:
                raise _unreachable(address, str(error).partition("\n")[0]) from None
            self._ray.init("local", include_dashboard=False, object_store_memory=_OBJECT_STORE_BYTES, **options)

    def _room(self) -> int:
        """Return how many jobs fit into the cluster. Raises UsageError if none does."""
        resources = self._ray.cluster_resources()
        room = int(resources.get("CPU", 0) // self.config.cpus)
        if self.config.gpus:
            room = min(room, int(resources.get("GPU", 0) / self.config.gpus + 1e-9))
        if not room:
            has = f"{resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs"
            self._ray.shutdown()
            raise UsageError(
                f"a job needs {self.config.cpus:g} CPUs and {self.config.gpus:g} GPUs; the cluster has {has}",
                hint="set fewer: --executor-set cpus=1 --executor-set gpus=0.5",
            )
        return room

    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        waiting, deaths, running = deque(jobs), Counter[str](), dict[Any, Job]()
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    job = waiting.popleft()
                    running[self._task.remote(job)] = job
                (events,), _ = self._ray.wait(list(running), num_returns=1)
                job = running[events]
                try:
                    yield self._ray.get(next(events))
                except StopIteration:
                    del running[events]
                except self._ray.exceptions.RayError as error:
                    del running[events]
                    deaths[job.name] += 1
                    reason = str(error).partition(". ")[0]
                    if deaths[job.name] > self.config.restarts:
                        reason = f"its process died {deaths[job.name]} times ({reason})"
                        yield JobEvent(job.name, "failed", {"error": reason, "hint": "", "traceback": ""})
                    else:
                        waiting.appendleft(job)
                        yield JobEvent(job.name, "restarted", reason)
        finally:
            self._stop(list(running))

    def _stop(self, running: list[Any]) -> None:
        """Cancel tasks, which closes their jobs, and wait until they end."""
        for events in running:
            self._ray.cancel(events, force=False)
        for events in running:
            with contextlib.suppress(self._ray.exceptions.RayError):
                for event in events:
                    self._ray.get(event)

    def close(self) -> None:
        self._redirection.__exit__(None, None, None)
        self._ray.shutdown()


def _run_job(job: Job) -> Iterator[JobEvent]:
    yield from job.run()


def _check_reachable(address: str) -> None:
    """Raise ArtkitError at once if nothing answers at ``HOST:PORT``; Ray would try for a minute."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()) or "/" in host:
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from None


def _unreachable(address: str, reason: str) -> ArtkitError:
    return ArtkitError(
        f"no Ray cluster answers at {address} ({reason})",
        hint="start one with `ray start --head`, and name the address that it prints: --executor-set 'address=\"…\"'",
    )
