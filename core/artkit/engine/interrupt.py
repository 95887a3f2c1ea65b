"""Ctrl-C during a run: the first one ends the run after the current step, the second one at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class InterruptGuard:
    """Lets the current step finish before Ctrl-C takes effect; blocks may be nested."""

    def __init__(self) -> None:
        self._requested: threading.Event | None = None

    @contextlib.contextmanager
    def deferred(self) -> Iterator[threading.Event]:
        """Yield an event that the first SIGINT sets; a second one is handled as before the block.

        Outside the main thread, where Python handles no signals, the event is never set.
        """
        if self._requested is not None:
            yield self._requested
            return
        with _sigint_event() as self._requested:
            try:
                yield self._requested
            finally:
                self._requested = None


@contextlib.contextmanager
def _sigint_event() -> Iterator[threading.Event]:
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return
    previous = signal.getsignal(signal.SIGINT)

    def request(_signal: int, _frame: Any) -> None:
        requested.set()
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, request)
    try:
        yield requested
    finally:
        signal.signal(signal.SIGINT, previous)
