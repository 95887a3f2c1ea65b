"""`artkit sweep`: table, contact sheet, failures, resuming and error messages, with an executor in this process."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from artkit import Executor, Job, JobEvent
from artkit.cli.main import cli
from artkit.folder_lock import FolderLock
from artkit.registry.plugin_registry import get_registry
from artkit.sweep import sweep as sweep_module

TOY = "steps = 3\n" + Path(__file__).with_name("toy.toml").read_text()


class Here(Executor):
    """Runs jobs in this process."""

    name = "here"

    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        for job in jobs:
            yield from job.run()


Sweep = Callable[..., Result]


@pytest.fixture
def sweep(toy: Any, recipe_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Runs the command with the toy recipe, ``sweep(*arguments, recipe=TOY)``, in an empty folder."""
    get_registry().register_component("executor", Here)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: str, recipe: str = TOY) -> Result:
        file = str(recipe_file(recipe))
        return CliRunner().invoke(cli, ["sweep", file, "--executor", "here", *arguments], catch_exceptions=False)

    return run


def read_table(folder: str) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in Path(folder, "sweep.jsonl").read_text().splitlines()]
    return {row["name"]: row for row in rows}


def painted_at(folder: str) -> dict[str, int]:
    return {file.parent.name: file.stat().st_mtime_ns for file in Path(folder).glob("*/painting.png")}


def test_each_combination_is_a_run_with_a_line_in_the_table(sweep: Sweep) -> None:
    result = sweep("--over", "optimizer.lr=0.1,0.01", "--seeds", "2")
    assert result.exit_code == 0, result.output
    assert result.stdout.split() == ["sweeps/r/index.html", "sweeps/r/sweep.jsonl"]
    assert "expected: 4 runs, 1 at a time, about 1 s, about " in result.stderr
    assert "GB of memory for each" in result.stderr
    assert "(4 of 4)" in result.stderr
    table = read_table("sweeps/r")
    assert list(table) == ["lr=0.1,seed=0", "lr=0.1,seed=1", "lr=0.01,seed=0", "lr=0.01,seed=1"]
    for name, row in table.items():
        log = Path("sweeps/r", name, "log.jsonl").read_text().splitlines()
        assert row["status"] == "finished"
        assert (row["step"], row["steps"], len(log)) == (3, 3, 3)
        assert row["loss"] == json.loads(log[-1])["loss"]
        assert row["objectives"] == {"look": row["loss"]}
        assert row["verdicts"] == []
        assert row["seconds"] > 0
        for key in ("picture", "report", "thumbnail"):
            assert Path("sweeps/r", row[key]).stat().st_size
    assert table["lr=0.01,seed=1"]["settings"] == {"optimizer.lr": 0.01, "seed": 1}
    assert len({row["loss"] for row in table.values()}) == 4


def test_a_run_of_a_sweep_has_the_bytes_of_the_same_run_alone(sweep: Sweep, tmp_path: Path) -> None:
    assert sweep("--seeds", "2", "--over", "steps=2,4", "--out", "out").exit_code == 0
    alone = ["run", str(tmp_path / "r.toml"), "--set", "steps=4", "--set", "seed=1", "--out", "alone"]
    assert CliRunner().invoke(cli, alone).exit_code == 0
    for name in ("painting.png", "strokes.json", "checkpoint.safetensors", "recipe.toml"):
        assert Path("alone", name).read_bytes() == Path("out/steps=4,seed=1", name).read_bytes(), name


def test_an_ablation_of_a_recipe(sweep: Sweep) -> None:
    result = sweep("ablation/strokes", "--set", "size=[40,24]", "--set", "steps=1")
    assert result.exit_code == 0, result.output
    table = read_table("sweeps/strokes")
    assert [row["settings"]["canvas.strokes"] for row in table.values()] == [1, 1, 2, 2, 4, 4, 8, 8]
    assert {row["status"] for row in table.values()} == {"finished"}


def test_a_run_that_fails_is_reported_and_the_others_go_on(sweep: Sweep) -> None:
    result = sweep("--over", "objective.look.nan_from=0.5,2.0", "--out", "out")
    assert result.exit_code == 1
    assert "artkit: 1 of 2 runs failed:\n  nan_from=0.5: the loss is not finite (loss, look)" in result.stderr
    assert "Traceback" not in result.stderr
    table = read_table("out")
    assert table["nan_from=2.0"]["status"] == "finished"
    assert table["nan_from=0.5"]["status"] == "failed"
    assert table["nan_from=0.5"]["error"].startswith("the loss is not finite (loss, look)")
    assert "traceback" not in table["nan_from=0.5"]
    assert "failed: the loss is not finite" in Path("out/index.html").read_text()


def test_a_bug_leaves_its_traceback_in_the_table(sweep: Sweep) -> None:
    result = sweep("--out", "out", recipe=TOY.replace("toy-flat", "toy-buggy"))
    assert result.exit_code == 1
    assert "r: LookupError: a bug of the toy" in result.stderr
    assert "Traceback" in read_table("out")["r"]["traceback"]


def test_resume_does_what_is_left(sweep: Sweep) -> None:
    assert sweep("--over", "objective.look.nan_from=2.0,0.5", "--out", "out").exit_code == 1
    before, failed = painted_at("out"), read_table("out")["nan_from=0.5"]
    result = sweep("--over", "objective.look.nan_from=2.0,3.0", "--out", "out", "--resume")
    assert result.exit_code == 0, result.output
    assert "expected: 1 run, 1 at a time" in result.stderr
    after = painted_at("out")
    assert after["nan_from=2.0"] == before["nan_from=2.0"], "a finished run is painted again"
    assert read_table("out")["nan_from=3.0"]["status"] == "finished"
    assert read_table("out")["nan_from=0.5"] == failed, "a run that is no longer planned loses its line"
    result = sweep("--over", "objective.look.nan_from=2.0,3.0", "--out", "out", "--resume")
    assert result.exit_code == 0
    assert "expected: no run is left" in result.stderr


def test_resume_paints_a_finished_run_again_whose_folder_is_gone(sweep: Sweep) -> None:
    assert sweep("--seeds", "2", "--out", "out").exit_code == 0
    Path("out/seed=1").rename("elsewhere")
    assert sweep("--seeds", "2", "--out", "out", "--resume").exit_code == 0
    assert Path("out/seed=1/painting.png").read_bytes() == Path("elsewhere/painting.png").read_bytes()


def test_ctrl_c_saves_and_resume_gives_the_same_bytes(sweep: Sweep, toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sweep("--seeds", "3", "--out", "whole").exit_code == 0
    forward, calls = toy.Flat.forward, 0

    def press_in_the_fifth_step(self: Any, view: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 7:  # two are of the forecast
            os.kill(os.getpid(), signal.SIGINT)
        return forward(self, view)

    monkeypatch.setattr(toy.Flat, "forward", press_in_the_fifth_step)
    result = sweep("--seeds", "3", "--out", "out")
    assert result.exit_code == 1
    assert "the runs are saved in out; to continue, repeat the command with --resume" in result.stderr
    assert "artkit: stopped" in result.stderr
    assert [row["status"] for row in read_table("out").values()] == ["finished", "stopped", "waiting"]
    assert calls == 7
    assert sweep("--seeds", "3", "--out", "out", "--resume").exit_code == 0
    assert calls == 7 + 2 + 1 + 3, "a step is done twice"
    for seed in range(3):
        name = f"seed={seed}/painting.png"
        assert Path("out", name).read_bytes() == Path("whole", name).read_bytes()


def test_the_table_is_complete_at_any_time(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = []
    write = sweep_module.write_text

    def record(file: Path, text: str) -> None:
        if file.name == "sweep.jsonl":
            tables.append([json.loads(line)["status"] for line in text.splitlines()])
        write(file, text)

    monkeypatch.setattr(sweep_module, "write_text", record)
    assert sweep("--seeds", "2", "--out", "out").exit_code == 0
    assert tables[:4] == [
        ["waiting", "waiting"], ["running", "waiting"], ["finished", "waiting"], ["finished", "running"],
    ]  # fmt: skip


def test_default_folders(sweep: Sweep) -> None:
    for _ in range(2):
        assert sweep().exit_code == 0
    assert sorted(path.name for path in Path("sweeps").iterdir()) == ["r", "r-2"]
    assert "no run is left" in sweep("--resume").stderr


def test_skipped_files_are_listed(sweep: Sweep) -> None:
    from PIL import Image

    Path("photos").mkdir()
    Image.new("RGB", (8, 8), "red").save("photos/a.png")
    for number in range(7):
        Path(f"photos/{number}.txt").write_text("no picture")
    result = sweep("photos", "--out", "out", recipe=TOY.replace("toy-flat", "pixel") + 'target = "missing.png"\n')
    assert result.exit_code == 0, result.output
    assert "note: photos/0.txt is not a picture; it is skipped\n" in result.stderr
    assert "note: 2 more files are not pictures\n" in result.stderr
    assert list(read_table("out")) == ["a"]


def test_errors(sweep: Sweep, tmp_path: Path) -> None:
    def expect_error(text: str, *arguments: str) -> None:
        result = sweep(*arguments)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert text in result.stderr

    expect_error('there is no executor "lokal". Did you mean "local"?', "--executor", "lokal")
    expect_error("--executor-set threads: ", "--executor-set", "threads")
    expect_error("the executor here: thraeds: unknown key", "--executor-set", "thraeds=1")
    Path("full").mkdir()
    Path("full/a.txt").write_text("")
    expect_error("full is not empty and contains no sweep", "--out", "full")
    assert sweep("--seeds", "2", "--out", "out").exit_code == 0
    expect_error("out contains a sweep\n  add --resume to do what is left", "--out", "out")
    message = "the run in out/seed=0 was made with other settings: optimizer.lr"
    expect_error(message, *_again("--set", "optimizer.lr=0.2", "--set", "steps=4"))
    with FolderLock(Path("out")).held():
        expect_error("out is used by this process", *_again())
    Path("out/sweep.jsonl").write_text('{"name": "a"}\n')
    expect_error("sweep.jsonl is damaged (KeyError: 'status')", *_again())
    Path("out/sweep.jsonl").write_text("{")
    expect_error("sweep.jsonl is damaged", *_again())
    (tmp_path / "file").write_text("")
    assert "is not a folder" in sweep("--out", str(tmp_path / "file/out")).stderr


def _again(*arguments: str) -> tuple[str, ...]:
    return ("--seeds", "2", "--out", "out", "--resume", *arguments)
