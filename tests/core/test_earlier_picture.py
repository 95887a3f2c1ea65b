"""Repeating a finished run in its folder: the earlier picture is kept, unless the new one is the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artkit.engine.earlier_picture import keep_earlier
from artkit.engine.run import Run
from artkit.engine.run_folder import CHECKPOINT_FILE
from artkit.engine.task import Interrupted
from artkit.errors import ArtkitError
from artkit.output.export import open_painting

Start = Callable[..., Run]


@pytest.fixture
def other_machine(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on steps give other results, as on another machine or with another version of a package."""
    forward = toy.Flat.forward
    monkeypatch.setattr(toy.Flat, "forward", lambda self, view: forward(self, view) + view.image.mean((1, 2, 3)))


def press_ctrl_c(step: int, losses: dict[str, float]) -> None:
    if step == 2:
        os.kill(os.getpid(), signal.SIGINT)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_same_picture_is_kept_once(start: Start, run_files: Any, tmp_path: Path) -> None:
    start(tmp_path / "out")
    before = run_files.results(tmp_path / "out")
    start(tmp_path / "out")
    assert run_files.results(tmp_path / "out") == before
    assert files(tmp_path / "out") == run_files.names


def test_another_picture_does_not_replace_the_earlier_one(
    start: Start, run_files: Any, toy: Any, tmp_path: Path, request: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    start(out, "output.formats=['jpg']")
    before = run_files.results(out)
    request.getfixturevalue("other_machine")
    start(out, "output.formats=['jpg']")
    assert f"it is kept in {out / 'earlier'}" in capsys.readouterr().err
    assert run_files.results(out / "earlier") == before
    assert files(out / "earlier") == (run_files.names | {"painting.jpg"}) - {CHECKPOINT_FILE}
    assert (out / "painting.png").read_bytes() != before["painting.png"]
    assert open_painting(out / "earlier").size == (40, 24)
    start(out, "output.formats=['jpg']")
    assert files(out) == run_files.names | {"painting.jpg", "earlier"}, "the third picture is the same as the second"


def test_the_earlier_picture_outlives_an_interrupted_repetition(
    start: Start, run_files: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    start(out)
    before = run_files.results(out)
    with pytest.raises(Interrupted):
        start(out, progress=press_ctrl_c)
    assert run_files.results(out / "earlier") == before
    start(out, resume=True)
    assert run_files.results(out) == before
    assert files(out) == run_files.names
    assert capsys.readouterr().err == ""


def test_a_picture_without_a_checkpoint_is_kept_by_resume_too(start: Start, toy: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    start(out)
    before = (out / "painting.png").read_bytes()
    (out / CHECKPOINT_FILE).unlink()
    with pytest.raises(Interrupted):
        start(out, resume=True, progress=press_ctrl_c)
    assert (out / "earlier" / "painting.png").read_bytes() == before


def test_an_interrupted_move_is_continued(tmp_path: Path) -> None:
    for name in ("painting.png", "strokes.json", "recipe.toml", "painting_files/0.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier" / "report.html").write_text("moved before the process was killed")
    keep_earlier(tmp_path, [tmp_path / "recipe.toml"], [])
    assert files(tmp_path) == {"earlier", "recipe.toml"}
    assert files(tmp_path / "earlier") == {
        "painting.png", "strokes.json", "recipe.toml", "painting_files", "report.html",
    }  # fmt: skip
    (tmp_path / "painting.png").write_text("2")
    keep_earlier(tmp_path, [], [tmp_path / "recipe.toml"])
    assert (tmp_path / "earlier-2" / "painting.png").read_text() == "2"
    assert (tmp_path / "earlier" / "painting.png").read_text() == "1"


def test_a_picture_that_cannot_be_moved_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "painting.png").write_text("1")
    (tmp_path / "earlier").write_text("a file in place of the folder")
    with pytest.raises(ArtkitError, match="is not a folder"):
        keep_earlier(tmp_path, [], [])
    assert (tmp_path / "painting.png").read_text() == "1"
