"""Events of runs for those who watch them."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from artkit.engine.live_view import WATCHING_SECONDS, LiveState, read_state, time_written
from artkit.errors import UsageError
from artkit.imaging.pixels import Pixels
from artkit.studio.access import Activity
from artkit.studio.folder import StudioFolder, modified_ns
from artkit.studio.pictures import LiveTiles, TiledPicture, open_finished
from artkit.studio.runs import RunReader

_POLL_SECONDS = 0.1
_MAX_POLL_SECONDS = 0.5  # between events if the run writes no picture
_STATE_SECONDS = 5.0  # between states and losses of a run that writes no picture; otherwise they come with the picture
_HEARTBEAT_SECONDS = WATCHING_SECONDS / 4
_MAX_OPEN_PICTURES = 6


class Watcher:
    """Reads the runs of a studio, and keeps the pictures that are looked at open."""

    def __init__(self, folder: StudioFolder) -> None:
        self.folder, self.activity = folder, Activity()
        self._readers: dict[str, RunReader] = {}
        self._live: dict[str, LiveTiles] = {}
        self._finished: dict[tuple[Path, int], tuple[TiledPicture, threading.Event]] = {}
        self._lock = threading.Lock()

    def reader(self, name: str) -> RunReader:
        """Return the reader of a run. Raises UsageError if there is none of that name."""
        path = self.folder.run(name)
        with self._lock:
            if name not in self._readers or self._readers[name].folder != path:
                self._readers[name] = RunReader(name, path)
            return self._readers[name]

    def picture(self, name: str) -> tuple[str, TiledPicture | None, LiveState | None]:
        """Return the picture of a run: a key that changes with its source, its tiles and the run's live state.

        While the run is painted it is what the run has written last, afterwards the finished picture. Raises UsageError
        if that cannot be read, and OSError if it is deleted meanwhile.
        """
        reader = self.reader(name)
        with self._lock:
            live = self._live.setdefault(name, LiveTiles(reader.live))
            state, tiles = live.read()
        file = reader.picture_file()
        if tiles is not None and state is not None and (file is None or _is_current(reader, state, file)):
            return f"live-{reader.live.stat().st_ino}-{tiles.width}x{tiles.height}", tiles, state
        if file is None:
            return "", None, state
        mark = (file, file.stat().st_mtime_ns)
        with self._lock:
            if mark not in self._finished:
                while len(self._finished) >= _MAX_OPEN_PICTURES:
                    self._finished.pop(next(iter(self._finished)))
                preview = reader.thumbnail_file()
                reader.live.mkdir(exist_ok=True)
                ready = threading.Event()
                opened = open_finished(file, preview if preview != file else None, reader.live, ready)
                self._finished[mark] = (opened, ready)
            picture, _ = self._finished[mark]
        return f"{file.name}-{mark[1]}", picture, state

    def shown(self, reader: RunReader) -> tuple[str, TiledPicture | None, LiveState | None, str]:
        """Return the picture of a run as `picture` does, and why there is none if it cannot be read."""
        try:
            return *self.picture(reader.name), ""
        except UsageError as error:
            return "", None, read_state(reader.live), error.message
        except OSError:  # deleted or replaced meanwhile
            return "", None, read_state(reader.live), ""

    async def events(self, name: str) -> AsyncIterator[dict[str, str]]:
        """Yield events of a run until it is deleted: `state`, `losses`, `picture` (a new one) and `tiles` (changes)."""
        self.activity.watching += 1
        try:
            events = _RunEvents(self, name)
            while not events.gone:
                for event in await run_in_threadpool(events.poll):
                    yield event
                await asyncio.sleep(_POLL_SECONDS)
        finally:
            self.activity.watching -= 1
            self.activity.last = time.monotonic()

    def state(self, reader: RunReader, live: LiveState | None) -> dict[str, Any]:
        """Return the state of a run as the page shows it."""
        state = reader.state()
        step, steps = reader.progress()
        running = live is not None and state == "running" and live.steps >= live.step > 0
        seconds_left = (live.steps - live.step) * live.step_seconds if running and live else None
        return {
            "state": state,
            "step": max(step, live.step) if running and live else step,
            "steps": steps,
            "seconds_left": round(seconds_left) if seconds_left is not None else None,
            "step_seconds": round(live.step_seconds, 2) if running and live else None,
            "memory": live.memory if live else None,
            "gpu_memory": live.gpu_memory if live else None,
            "error": reader.process.error() if state == "failed" else "",
            "notes": reader.process.notes(),
            "film": modified_ns(film) // 1_000_000 if (film := reader.film_file()) else 0,
            "replayable": reader.replayable() and state not in ("running", "starting"),
            "seconds": round(reader.log.seconds, 1),
        }


def _is_current(reader: RunReader, live: LiveState, file: Path) -> bool:
    """Return whether the live picture is newer than a saved one, or will be: a watched run writes it a bit later."""
    now = reader.state()
    if now in ("running", "starting"):
        return live.step >= reader.progress()[0] - 1 or time.time() - live.time < WATCHING_SECONDS
    return now != "finished" and live.time > modified_ns(file) / 1e9


class _RunEvents:
    """The events of a run for one viewer. gone: whether the run was deleted."""

    def __init__(self, watcher: Watcher, name: str) -> None:
        self.watcher, self.name, self.gone = watcher, name, False
        self._written, self._polled, self._heartbeat, self._stated = 0, -math.inf, -math.inf, -math.inf
        self._state: dict[str, Any] = {}
        self._key = ""
        self._versions: list[Pixels] | None = None
        self._points = 0

    def poll(self) -> list[dict[str, str]]:
        """Return what has changed since the last call.

        Reads nothing if the run has written nothing since then, so that watching takes hardly any time from it.
        """
        now = time.monotonic()
        try:
            reader = self.watcher.reader(self.name)
        except UsageError:
            self.gone = True
            return [_event("gone", {})]
        written = time_written(reader.live)
        if written == self._written and now - self._polled < _MAX_POLL_SECONDS:
            return []
        is_new = written != self._written
        self._written, self._polled = written, now
        key, picture, live, _ = self.watcher.shown(reader)
        state = self.watcher.state(reader, live)
        active = state["state"] in ("running", "starting")
        if active and now - self._heartbeat > _HEARTBEAT_SECONDS:
            self._heartbeat = now
            reader.process.watch()
        events = []
        if is_new or state["state"] != self._state.get("state") or now - self._stated >= _STATE_SECONDS:
            self._stated = now
            if state != self._state:
                self._state = state
                events.append(_event("state", state))
            events += self._new_losses(reader)
        if picture is not None:
            events += self._new_tiles(key, picture, live)
        return events

    def _new_tiles(self, key: str, picture: TiledPicture, live: LiveState | None) -> list[dict[str, str]]:
        events, versions = [], picture.versions
        if key != self._key:
            self._key, self._versions = key, None
            events.append(_event("picture", picture.shape(key)))
        before = self._versions
        if before is None or any((a != b).any() for a, b in zip(before, versions, strict=True)):
            self._versions = versions
            shown = live if key.startswith("live-") else None
            data = {"key": key, "tiles": picture.changed(before), "step": shown.step if shown else self._state["step"]}
            events.append(_event("tiles", {**data, "time": shown.time if shown else None}))
        return events

    def _new_losses(self, reader: RunReader) -> list[dict[str, str]]:
        reader.log.read()
        count = len(reader.log.steps)
        since = self._points if self._points <= count else 0
        if count == self._points:
            return []
        self._points = count
        return [_event("losses", {"from": since, **reader.log.points(since)})]


def _event(name: str, data: dict[str, Any]) -> dict[str, str]:
    return {"event": name, "data": json.dumps(without_nan(data))}


def without_nan(value: Any) -> Any:
    """Return a value with texts instead of numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
