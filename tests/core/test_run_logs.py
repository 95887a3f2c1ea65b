"""What a run logs beside `log.jsonl`: CSV, TensorBoard and trackio."""

from __future__ import annotations

import csv
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artkit.engine.run import Run
from artkit.engine.task import Interrupted
from artkit.errors import UsageError
from artkit.output.log_writers import CsvWriter
from artkit.output.run_logs import WindowMeans

WINDOWED = ("size=[360,120]", "window=120", "steps=4")


def rows(folder: Path) -> list[dict[str, float]]:
    """Return the rows of the CSV file, without empty cells."""
    with (folder / "losses.csv").open(newline="") as stream:
        return [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(stream)]


def stop_at(step: int) -> Callable[[int, Any], None]:
    """Return a progress callback that interrupts the run, as Ctrl-C does."""
    return lambda done, _: signal.raise_signal(signal.SIGINT) if done == step else None


@pytest.mark.parametrize("kind", ["painting", "training"])
def test_csv_has_the_losses_of_every_kind_of_run(start: Callable[..., Run], tmp_path: Path, kind: str) -> None:
    run = start(tmp_path / "run", "csv=true", recipe=kind)
    log = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    names = [name for name in log[0] if name not in ("seconds", "verdicts")]
    assert [list(row) for row in rows(run.folder)] == [names] * 6
    for row, line in zip(rows(run.folder), log, strict=True):
        assert row == pytest.approx({name: line[name] for name in names}, rel=1e-8)


def test_windows_are_smoothed_and_averaged_over_epochs(start: Callable[..., Run], tmp_path: Path) -> None:
    run = start(tmp_path / "run", "csv=true", *WINDOWED)
    windows = run.task.steps_per_epoch
    assert windows > 1
    table = rows(run.folder)
    assert len(table) == 4 * windows
    ends = [index for index, row in enumerate(table) if "epoch/loss" in row]
    assert ends == [windows * epoch - 1 for epoch in (1, 2, 3, 4)]
    losses = [row["loss"] for row in table]
    for end in ends:
        expected = sum(losses[end + 1 - windows : end + 1]) / windows
        assert table[end]["epoch/loss"] == pytest.approx(expected, rel=1e-6)
    smoothed = [row["smoothed/loss"] for row in table]
    assert smoothed[0] == pytest.approx(losses[0], rel=1e-6)
    spread = [sum(abs(b - a) for a, b in itertools.pairwise(v)) for v in (smoothed, losses)]
    assert spread[0] < spread[1] / 2


def test_smoothing_of_a_constant_is_the_constant() -> None:
    means = WindowMeans(5)
    values = [means.update(step, {"loss": 3.0}) for step in range(12)]
    assert all(value["smoothed/loss"] == pytest.approx(3.0) for value in values)
    assert WindowMeans(1).update(0, {"loss": 3.0}) == {}


@pytest.mark.parametrize("stop", [2, 7])
def test_a_resumed_run_continues_its_log(start: Callable[..., Run], tmp_path: Path, stop: int) -> None:
    whole = start(tmp_path / "whole", "csv=true", *WINDOWED)
    with pytest.raises(Interrupted):
        start(tmp_path / "stopped", "csv=true", *WINDOWED, progress=stop_at(stop))
    start(tmp_path / "stopped", "csv=true", *WINDOWED, resume=True)
    assert (tmp_path / "stopped/losses.csv").read_bytes() == (whole.folder / "losses.csv").read_bytes()


def test_a_run_may_resume_with_other_logs(start: Callable[..., Run], tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        start(tmp_path / "run", progress=stop_at(2))
    start(tmp_path / "run", "csv=true", "log_images=3", resume=True)
    assert [row["step"] for row in rows(tmp_path / "run")] == [2, 3, 4, 5]


@pytest.mark.parametrize("kind", ["painting", "training"])
def test_tensorboard_has_losses_and_pictures(start: Callable[..., Run], tmp_path: Path, kind: str) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    start(tmp_path / "run", "tensorboard=true", "log_images=4", recipe=kind)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss" if kind == "painting" else "mse")] == list(range(6))
    assert [event.step for event in events.Images("picture")] == [0, 4, 5]


@pytest.mark.slow
def test_trackio_has_losses_and_pictures(toy: Any, tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    tree = {"steps": 6, "size": (40, 24), "canvas": {"type": "single"}, "objective": {"o": {"type": "total-variation"}}}
    code = f"""
import artkit, trackio
artkit.paint({tree!r}, out="mine", trackio=True, log_images=4).execute()
(run,) = trackio.Api().runs("artkit")
print(run.name, run.config["size"])
"""
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio")}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "mine [40, 24]\n"
    with sqlite3.connect(tmp_path / "trackio" / "artkit.db") as database:
        logged = database.execute("SELECT DISTINCT step FROM metrics ORDER BY step").fetchall()
    assert [step for (step,) in logged] == list(range(6))
    assert len(list((tmp_path / "trackio" / "media" / "artkit").rglob("*.png"))) == 3


@pytest.mark.parametrize("package", ["tensorboard", "trackio"])
def test_a_missing_package_is_an_error_before_anything_is_written(
    start: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=rf"{package} is not installed\n  pip install .*\[{package}\]"):
        start(tmp_path / "run", f"{package}=true")
    assert not (tmp_path / "run").exists()


def test_a_log_that_cannot_be_written_does_not_end_the_run(
    start: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(CsvWriter, "write", fail)
    run = start(tmp_path / "run", "csv=true")
    assert run.step == 6
    assert capsys.readouterr().err.count("note: csv is no longer logged (OSError: the disk is gone)") == 1
