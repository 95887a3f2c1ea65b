"""Export of runs from the page: `artkit export` in a process of its own, into `exports` in the run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from artkit.engine.live_view import LIVE_FOLDER
from artkit.errors import UsageError
from artkit.registry.plugin_registry import get_registry
from artkit.studio.folder import safe_name
from artkit.studio.processes import Process

EXPORTS = "exports"


def export_formats() -> list[dict[str, str]]:
    """Return the formats: extension and what it is, of all installed exporters."""
    return [
        {"suffix": suffix.removeprefix("."), "description": _summary(entry.component)}
        for entry in get_registry().components("exporter").values()
        for suffix in entry.component.suffixes
    ]


def _summary(component: type[Any]) -> str:
    return " ".join((component.__doc__ or "").strip().split("\n\n")[0].split())


def start_export(
    run: Path,
    format: str,
    size: str | None,
    fill: bool,
    dpi: float | None,
    seconds: float | None,
    frame: int | None,
    name: str,
) -> Path:
    """Start an export, and return its file, which is there when the process has ended.

    size: as of `artkit export`, such as ``30x40cm``; None for that of the finished picture. seconds: of a film of
    the strokes. frame: of a film, from 1. Raises UsageError for a format that there is not; what else is wrong, the
    process reports.
    """
    if format not in {known["suffix"] for known in export_formats()}:
        raise UsageError(f"no exporter writes {format}")
    file = run / EXPORTS / f"{safe_name(name, run.name)}.{format}"
    options = [f"--size={size}"] if size else []
    options += ["--fill"] if fill and size else []
    options += [f"--dpi={dpi:g}"] if dpi else []
    options += [f"--seconds={seconds:g}"] if seconds else []
    options += [f"--frame={frame}"] if frame else []
    export_process(run).start(["artkit", "export", *options, "--", str(run), str(file)], run)
    return file


def export_process(run: Path) -> Process:
    """Return the process of the last export of a run."""
    return Process(run / LIVE_FOLDER, "export")
