"""A full disk: the studio says so, runs go on, and nothing is left behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artkit.engine.live_view import LIVE_FOLDER


@pytest.fixture
def copied(tmp_path: Path, painted: Path, serve: Callable[[Path], Any]) -> Any:
    """A studio whose runs a test may change."""
    shutil.copytree(painted, tmp_path / "runs")
    return serve(tmp_path / "runs")


def test_a_full_disk_ends_the_live_view_and_not_the_run(
    painted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from artkit.api import create_run
    from artkit.recipes.reading import read_recipe

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    live = tmp_path / "run" / LIVE_FOLDER
    live.mkdir(parents=True)
    (live / "watching").touch()
    run = create_run(read_recipe([painted / "one/recipe.toml"]), tmp_path / "run")
    monkeypatch.setattr("artkit.engine.live_view.write_picture", full)
    assert run.execute().outputs[0].read_bytes() == (painted / "one/painting.png").read_bytes()
    assert not (live / "state.json").exists()


def test_a_full_disk_is_told_and_leaves_nothing(copied: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("artkit.files.tempfile.mkstemp", full)
    answer = copied.request("POST", "/api/uploads?name=a.png", body=(copied.folder / "one/painting.png").read_bytes())
    assert answer.status == 409
    assert "no space left" in answer.json["error"]
    toml = (copied.folder / "recipes" / "r.toml").read_text()
    assert "no space left" in copied.request("POST", "/api/runs", {"toml": toml}).json["error"]
    assert [run["name"] for run in copied.get("/api/runs")["runs"]] == ["one"]
