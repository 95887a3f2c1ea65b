"""The jobs of a sweep, which an executor runs in worker processes: a forecast, and a run."""

from __future__ import annotations

import json
import resource
import socket
import sys
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from artkit.api import create_run
from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Progress, Run
from artkit.engine.run_folder import LOG_FILE
from artkit.engine.task import Interrupted
from artkit.errors import ArtkitError
from artkit.files import atomic
from artkit.folder_lock import FolderLocked
from artkit.recipes.reading import read_recipe
from artkit.recipes.recipe import LOG_KEYS, Tree

_REPORT_INTERVAL_SECONDS = 0.25
_LOCKED_SECONDS = 60.0
_THUMBNAIL_SIDE = 320  # px of the longer side


def forecast(recipe: Tree, folder: str, device: str | None) -> Generator[Any, None, dict[str, float]]:
    """Measure what a run of a recipe takes, without a step of it.

    Returns ``setup``, the seconds until the first step; ``step``, the seconds of a step, or 0 if the task cannot be
    measured; ``steps``, their number; and ``bytes``, the memory of this process.
    """
    yield from ()
    create_run(read_recipe([recipe]), Path(folder), device=device)  # loads networks and kernels
    started = time.perf_counter()
    task = create_run(read_recipe([recipe]), Path(folder), device=device).task
    setup = time.perf_counter() - started
    step = task.measure_step() if isinstance(task, PaintingTask) else 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"setup": setup, "step": step, "steps": float(task.steps), "bytes": float(peak)}


def paint(recipe: Tree, folder: str, thumbnail: str, device: str | None) -> Generator[Any, None, dict[str, Any]]:
    """Execute a run, or what is left of it, and write its thumbnail.

    recipe: with all defaults. Yields ``step``, ``steps`` and ``loss`` from time to time. Returns what a line of
    ``sweep.jsonl`` says about a finished run. Closing the generator saves the run.
    """
    directory = Path(folder)
    if not directory.parent.is_dir():
        raise ArtkitError(
            f"there is no folder {directory.parent} on the machine {socket.gethostname()}",
            hint="sweeps on several machines need a folder that all of them see",
        )
    run = create_run(read_recipe([recipe]), directory, resume=True, device=device)
    yield {"step": 0, "steps": run.task.steps, "loss": None}
    last = 0.0
    try:
        with closing(_steps(run)) as steps:
            for step, count, losses in steps:
                if (now := time.monotonic()) - last > _REPORT_INTERVAL_SECONDS:
                    last = now
                    yield {"step": step, "steps": count, "loss": losses.get("loss")}
    except Interrupted:  # the executor stops, too
        raise KeyboardInterrupt from None
    picture = run.picture().convert("RGB")
    picture.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    with atomic(Path(thumbnail)) as temporary:
        picture.save(temporary, "JPEG", quality=88)
    return _summary(run)


def _steps(run: Run) -> Generator[Progress, None, None]:
    """Iterate over a run. A worker whose sweep was killed may hold the folder until it has saved: wait for it."""
    deadline = time.monotonic() + _LOCKED_SECONDS
    while True:
        try:
            yield from run
            return
        except FolderLocked:  # before the first step
            if time.monotonic() > deadline:
                raise
        time.sleep(_REPORT_INTERVAL_SECONDS)


def _summary(run: Run) -> dict[str, Any]:
    log = [json.loads(line) for line in (run.folder / LOG_FILE).read_text(encoding="utf-8").splitlines()]
    last = log[-1] if log else {}
    return {
        "step": run.step,
        "steps": run.task.steps,
        "loss": last.get("loss"),
        "objectives": {name: value for name, value in last.items() if name not in LOG_KEYS},
        "verdicts": last.get("verdicts", []),
        "seconds": round(sum(line["seconds"] for line in log), 3),
        "notes": run.task.notes,
        "files": [file.name for file in run.outputs],
    }
