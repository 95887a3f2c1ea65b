"""Sweep: the runs of a plan in one folder, the table of their results and the contact sheet."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from artkit.engine.run_folder import RunFolder
from artkit.errors import UsageError
from artkit.files import remove_leftovers, write_text
from artkit.folder_lock import LOCK_FILE, FolderLock
from artkit.interfaces.executor import Executor, Job, JobEvent
from artkit.sweep import contact_sheet
from artkit.sweep.plan import Plan, PlannedRun

TABLE_FILE = "sweep.jsonl"
CONTACT_SHEET_FILE = "index.html"
THUMBNAIL_FOLDER = "thumbnails"

Row = dict[str, Any]

_CONTACT_SHEET_INTERVAL_SECONDS = 5.0
_OTHER_FOLDER = "choose another folder with --out"


class Sweep:
    """The runs of a plan in one folder.

    rows: of the table, one for each run: ``name``, ``settings``, ``status``, one of waiting, running, stopped, finished
    and failed, and what is known of its results. The table is rewritten atomically whenever a status changes. A folder
    belongs to one process at a time; used in a ``with`` block, at whose end the folder is released.
    """

    def __init__(self, folder: Path, plan: Plan, resume: bool = False, device: str | None = None) -> None:
        """resume: continue the sweep in the folder, if there is one: finished runs stay; the plan may have new ones.

        device: overrides that of the recipes. Raises UsageError if the folder contains something else, or a run of the
        same name and of another recipe; FolderLocked if another process runs the sweep.
        """
        self.folder, self.plan, self.device = folder, plan, device
        self.rows: dict[str, Row] = {}
        self._contact_sheet_written = 0.0
        self._lock = contextlib.ExitStack()
        self._lock.enter_context(FolderLock(folder).held())
        try:
            remove_leftovers(folder)
            self._take_over(resume)
        except BaseException:
            self.close()
            raise

    def _take_over(self, resume: bool) -> None:
        """Set the rows: those of an earlier sweep in the folder, and new ones for runs that are not finished."""
        earlier = self._read_table()
        if earlier and not resume:
            raise UsageError(
                f"{self.folder} contains a sweep", hint=f"add --resume to do what is left, or {_OTHER_FOLDER}"
            )
        if not earlier and any(path.name not in (TABLE_FILE, LOCK_FILE) for path in self.folder.iterdir()):
            raise UsageError(f"{self.folder} is not empty and contains no sweep", hint=_OTHER_FOLDER)
        self.rows = earlier
        for run in self.plan.runs:
            same = self._has_same_settings(run)
            if not same or earlier.get(run.name, {}).get("status") != "finished":
                self.rows[run.name] = {"name": run.name, "settings": run.settings, "status": "waiting"}

    def _has_same_settings(self, run: PlannedRun) -> bool:
        """Return whether the folder of a run contains a run of its recipe; one of other `steps` may be continued.

        Raises UsageError if it contains a run of another recipe.
        """
        run_folder = RunFolder(self.folder / run.name)
        if not run_folder.recipe.exists():
            return False
        # The plan does not know the checksums of weights; the run compares them.
        differences = [
            key for key in run_folder.differences(run.recipe.resolved()) if key.partition(".")[0] != "sha256"
        ]
        if others := [key for key in differences if key != "steps"]:
            raise UsageError(
                f"the run in {run_folder.path} was made with other settings: {', '.join(others)}", hint=_OTHER_FOLDER
            )
        return not differences

    def close(self) -> None:
        """Release the folder."""
        self._lock.close()

    def __enter__(self) -> Sweep:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_table(self) -> dict[str, Row]:
        file = self.folder / TABLE_FILE
        try:
            rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            return {row["name"]: {**row, "status": row["status"], "settings": dict(row["settings"])} for row in rows}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{file} is damaged ({type(error).__name__}: {error})", hint=_OTHER_FOLDER) from None

    @property
    def runs_left(self) -> list[PlannedRun]:
        """The planned runs that are not finished."""
        return [run for run in self.plan.runs if self.rows[run.name]["status"] != "finished"]

    @property
    def files(self) -> list[Path]:
        """The contact sheet and the table."""
        return [self.folder / CONTACT_SHEET_FILE, self.folder / TABLE_FILE]

    def execute(self, executor: Executor) -> Iterator[JobEvent]:
        """Execute the runs that are left; yield the events of their jobs after the table has them.

        A run that fails does not affect the others. If the iterator is closed or Ctrl-C is pressed, the runs save.
        """
        jobs = [self._job(run) for run in self.runs_left]
        self._write(contact_sheet_too=True)
        try:
            with contextlib.closing(_generator(executor.execute(jobs))) as events:
                for event in events:
                    self._update(event)
                    yield event
        finally:
            for row in self.rows.values():
                if row["status"] == "running":
                    row["status"] = "stopped"
            self._write(contact_sheet_too=True)

    def _job(self, run: PlannedRun) -> Job:
        folder = self.folder.absolute()
        thumbnail = folder / THUMBNAIL_FOLDER / f"{run.name}.jpg"
        arguments = {"folder": str(folder / run.name), "thumbnail": str(thumbnail), "device": self.device}
        return Job(run.name, "artkit.sweep.job:paint", {"recipe": run.recipe.resolved(), **arguments})

    def _update(self, event: JobEvent) -> None:
        row = self.rows[event.job]
        if event.kind == "progress":
            row |= {"step": event.value["step"], "steps": event.value["steps"]}
            return
        if event.kind == "started":
            row["status"] = "running"
        elif event.kind == "restarted":
            row["status"] = "waiting"
        elif event.kind == "finished":
            files = event.value.pop("files")
            picture = next(file for file in reversed(files) if file.endswith(".png"))
            report = "report.html" if "report.html" in files else picture
            row |= {"status": "finished", **event.value, "picture": f"{event.job}/{picture}"}
            row |= {"report": f"{event.job}/{report}", "thumbnail": f"{THUMBNAIL_FOLDER}/{event.job}.jpg"}
        else:
            row |= {"status": "failed", "error": event.value["error"]}
            row |= {key: event.value[key] for key in ("hint", "traceback") if event.value[key]}
        self._write()

    def _write(self, contact_sheet_too: bool = False) -> None:
        """Write the table, and the contact sheet if it was not written in the last seconds."""
        write_text(self.folder / TABLE_FILE, "".join(json.dumps(row) + "\n" for row in self.rows.values()))
        if contact_sheet_too or time.monotonic() - self._contact_sheet_written > _CONTACT_SHEET_INTERVAL_SECONDS:
            page = contact_sheet.page(f"{self.plan.name}: {self.folder.absolute().name}", list(self.rows.values()))
            write_text(self.folder / CONTACT_SHEET_FILE, page)
            self._contact_sheet_written = time.monotonic()

    def forecast(self, executor: Executor) -> str:
        """Return the number of runs, and an estimate of their time and memory.

        A worker measures the run of the largest picture; the others are in proportion to steps and pixels. Raises
        UsageError if that needs more memory than this machine has.
        """
        from artkit.sweep.forecast import forecast

        return forecast(self.runs_left, executor, self.folder, self.device)

    def failed(self) -> Sequence[Row]:
        """Return the rows of planned runs that have failed."""
        return [row for run in self.plan.runs if (row := self.rows[run.name])["status"] == "failed"]


def _generator(events: Iterator[JobEvent]) -> Any:
    return events
