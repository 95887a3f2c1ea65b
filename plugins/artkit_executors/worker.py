"""A worker process of the executor `local`: ``python -m artkit_executors.worker``.

It reads a job per line from standard input, runs one after the other, and writes an event per line to standard output,
all as JSON. A line without a job stops the running one. When standard input ends, because the parent has closed it or
was killed, the process stops the running job and exits.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import signal
import sys
import threading
from typing import TextIO

from artkit import ArtkitError, Job


def main() -> None:
    """Run the jobs that standard input names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no event
    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    stop = threading.Event()
    threading.Thread(target=_read, args=(jobs, stop), daemon=True).start()
    while (job := jobs.get()) is not None:
        _run(job, stop, channel)
        gc.collect()  # components refer to their scene and the scene to them


def _read(jobs: queue.SimpleQueue[Job | None], stop: threading.Event) -> None:
    for line in sys.stdin:
        if job := json.loads(line):
            stop.clear()
            jobs.put(Job(**job))
        else:
            stop.set()
    stop.set()
    jobs.put(None)


def _run(job: Job, stop: threading.Event, channel: TextIO) -> None:
    events = job.run()
    for event in events:
        _send(channel, {"job": event.job, "kind": event.kind, "value": event.value})
        if stop.is_set() and event.kind in ("started", "progress"):
            with contextlib.suppress(ArtkitError):  # the disk is full, for example; an earlier checkpoint remains
                events.close()
            _send(channel, {"job": job.name, "kind": "stopped"})


def _send(channel: TextIO, message: dict[str, object]) -> None:
    try:
        channel.write(json.dumps(message) + "\n")
        channel.flush()
    except BrokenPipeError:  # the parent was killed; the job is saved when standard input ends
        return


if __name__ == "__main__":
    main()
