"""Small jobs that need no torch, for tests of executors (`artkit.interfaces.executor.Job`)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator
from pathlib import Path

from artkit.errors import ArtkitError

MAX_STEPS = 500
"""Steps of `save_when_closed`, .01 s each."""


def count(steps: int, error: str = "") -> Generator[int, None, list[int]]:
    """Job that yields 1, 2, ... `steps` and returns them. It then raises: a user's `error`, or for ``bug`` a bug."""
    for step in range(steps):
        yield step + 1
    if error == "bug":
        raise LookupError("a bug")
    if error:
        raise ArtkitError(error, hint="remove it")
    return list(range(1, steps + 1))


def save_when_closed(file: str) -> Generator[int, None, None]:
    """Job of `MAX_STEPS` steps that writes its step to a file when it is closed."""
    step = 0
    try:
        while step < MAX_STEPS:
            time.sleep(0.01)
            step += 1
            yield step
    finally:
        Path(file).write_text(str(step))


def die_once(file: str) -> Generator[int, None, str]:
    """Job that kills its process, unless the file exists already, which it writes before."""
    yield 1
    if not Path(file).exists():
        Path(file).write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    return "done"
