"""`artkit export --executor`: windows rendered by an executor give the bytes of the usual export."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from artkit import Executor, Job, JobEvent
from artkit.cli.main import cli
from artkit.registry.plugin_registry import get_registry
from artkit.rendering import rendered_painting

TOY = "steps = 1\n" + Path(__file__).with_name("toy.toml").read_text()

executed: list[str] = []


class Here(Executor):
    """Runs jobs in this process."""

    name = "here"

    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        for job in reversed(jobs):  # the order of the windows does not matter
            executed.append(job.name)
            yield from job.run()


class Failing(Executor):
    """Reports that each job has failed."""

    name = "failing"

    def execute(self, jobs: Sequence[Job]) -> Iterator[JobEvent]:
        for job in jobs:
            yield JobEvent(job.name, "failed", {"error": "it failed", "hint": "try again", "traceback": ""})


@pytest.fixture
def export(
    toy: Any, recipe_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Exports a finished run with windows of 32 px, ``export(*arguments)``, in a folder of its own."""
    for executor in (Here, Failing):
        get_registry().register_component("executor", executor)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(rendered_painting, "WINDOW_SIDE", 32)
    assert CliRunner().invoke(cli, ["run", str(recipe_file(TOY)), "--out", "../run"]).exit_code == 0
    executed.clear()
    return lambda *arguments: CliRunner().invoke(cli, ["export", "../run", *arguments], catch_exceptions=False)


@pytest.mark.parametrize(
    "options",
    [["--scale", "4"], ["--scale", "2", "--window", "3,5,30,18", "--set", "bits=16", "--background", "ff8800"]],
)
def test_bytes_are_those_of_the_usual_export(export: Callable[..., Result], options: list[str]) -> None:
    assert export("alone.png", *options).exit_code == 0
    assert executed == []
    result = export("executed.png", *options, "--executor", "here")
    assert result.exit_code == 0, result.output
    assert len(executed) == (15 if options[1] == "4" else 4)
    assert Path("executed.png").read_bytes() == Path("alone.png").read_bytes()
    assert sorted(path.name for path in Path().iterdir()) == ["alone.png", "executed.png"]


@pytest.mark.slow
def test_bytes_are_the_same_with_several_processes(
    export: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert export("alone.png", "--scale", "4").exit_code == 0
    assert export("executed.png", "--scale", "4", "--executor", "local", "--workers", "2").exit_code == 0
    assert Path("executed.png").read_bytes() == Path("alone.png").read_bytes()


def test_pixels_are_rendered_only_for_formats_that_need_them(export: Callable[..., Result]) -> None:
    assert export("strokes.json", "--executor", "here").exit_code == 0
    assert executed == []


def test_errors(export: Callable[..., Result]) -> None:
    result = export("a.png", "--executor", "failing")
    assert result.exit_code == 1
    assert "artkit: it failed\n  try again" in result.stderr
    assert list(Path().iterdir()) == []
    result = export("a.png", "--workers", "2")
    assert result.exit_code == 2
    assert "add --executor local" in result.stderr
