"""Ctrl-C during a run: the first one ends the run after the current step, the second one at once.

SIGTERM, which schedulers and `docker stop` send, and SIGHUP, which the end of a terminal sends, have the same effect.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptGuard:
    """Lets the current step finish before Ctrl-C takes effect; blocks may be nested."""

    def __init__(self) -> None:
        self._requested: threading.Event | None = None

    @contextlib.contextmanager
    def deferred(self) -> Iterator[threading.Event]:
        """Yield an event that the first of the signals sets; a second one is handled as before the block.

        Outside the main thread, where Python handles no signals, the event is never set.
        """
        if self._requested is not None:
            yield self._requested
            return
        with _interrupt_event() as self._requested:
            try:
                yield self._requested
            finally:
                self._requested = None


@contextlib.contextmanager
def _interrupt_event() -> Iterator[threading.Event]:
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return
    previous = {number: signal.getsignal(number) for number in _SIGNALS if not _is_ignored(number)}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def request(_signal: int, _frame: Any) -> None:
        requested.set()
        restore()

    for number in previous:
        signal.signal(number, request)
    try:
        yield requested
    finally:
        restore()


def _is_ignored(number: signal.Signals) -> bool:
    """Whether a signal is not ours: nohup ignores SIGHUP, and None is a handler that was not set by Python."""
    return signal.getsignal(number) in ((None,) if number == signal.SIGINT else (None, signal.SIG_IGN))
