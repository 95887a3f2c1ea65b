"""Events of runs for those who watch them."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from artkit.engine.live_view import WATCHING_SECONDS, LiveState
from artkit.errors import UsageError
from artkit.imaging.pixels import Pixels
from artkit.studio.access import Activity
from artkit.studio.folder import StudioFolder
from artkit.studio.pictures import LiveTiles, TiledPicture, open_finished
from artkit.studio.runs import RunReader

_POLL_SECONDS = 0.1
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

        While the run is painted it is what the run has written last, afterwards the finished picture.
        """
        reader = self.reader(name)
        with self._lock:
            live = self._live.setdefault(name, LiveTiles(reader.live))
            state, tiles = live.read()
        file = reader.picture_file()
        if tiles is not None and state is not None:
            fresh = file is None or state.time > file.stat().st_mtime or reader.state() in ("running", "starting")
            if fresh and state.step >= reader.progress()[0] - 1 and not (file and reader.state() == "finished"):
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

    async def events(self, name: str) -> AsyncIterator[dict[str, str]]:
        """Yield events of a run until it is deleted: `state`, `losses`, `picture` (a new one) and `tiles` (changes)."""
        self.activity.watching += 1
        try:
            async for event in self._events(name):
                yield event
        finally:
            self.activity.watching -= 1
            self.activity.last = time.monotonic()

    async def _events(self, name: str) -> AsyncIterator[dict[str, str]]:
        sent: dict[str, Any] = {}
        since: list[Pixels] | None = None
        key, count, heartbeat, slow = "", 0, 0.0, 0.0
        while True:
            now = time.monotonic()
            try:
                reader = self.reader(name)
                if now - heartbeat > _HEARTBEAT_SECONDS:
                    heartbeat = now
                    if reader.state() in ("running", "starting"):
                        reader.process.watch()
                new_key, picture, live = await run_in_threadpool(self.picture, name)
                state = await run_in_threadpool(self.state, reader, live)
            except (UsageError, OSError):
                yield {"event": "gone", "data": "{}"}
                return
            if state != sent:
                sent = state
                yield {"event": "state", "data": json.dumps(state)}
            if picture is not None:
                if new_key != key:
                    key, since = new_key, None
                    shape = {"key": key, "width": picture.width, "height": picture.height}
                    yield {"event": "picture", "data": json.dumps(shape | {"levels": len(picture.levels)})}
                versions = picture.versions
                if since is None or any((a != b).any() for a, b in zip(since, versions, strict=True)):
                    tiles = picture.changed(since)
                    since = versions
                    data = {"key": key, "tiles": tiles, "time": live.time if live else None, "step": sent["step"]}
                    yield {"event": "tiles", "data": json.dumps(data)}
            if now - slow > 2 * _POLL_SECONDS:
                slow = now
                await run_in_threadpool(reader.log.read)
                if len(reader.log.steps) < count:
                    count = 0
                if len(reader.log.steps) > count:
                    points = reader.log.points(count)
                    yield {"event": "losses", "data": json.dumps({"from": count, **points})}
                    count = points["count"]
            await asyncio.sleep(_POLL_SECONDS if state["state"] in ("running", "starting") else 5 * _POLL_SECONDS)

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
            "replayable": reader.replayable() and state not in ("running", "starting"),
            "seconds": round(reader.log.seconds, 1),
        }
