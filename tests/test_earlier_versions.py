"""Runs, stroke logs and weights of version 0.1.0 still load, and give what they gave."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import artkit
from artkit.cli.main import cli

EARLIER = Path(__file__).parent / "data" / "run_0_1_0"


@pytest.fixture
def earlier_run(tmp_path: Path) -> Path:
    """A copy of a run of the photo recipe (48 x 32 px, 12 steps) that was stopped after 6 steps."""
    folder = tmp_path / "run"
    shutil.copytree(EARLIER / "stopped", folder)
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("TARGET", str(EARLIER / "target.png")))
    return folder


def _actions(folder: Path) -> np.ndarray:
    log = json.loads((folder / "strokes.json").read_text())
    return np.array([list(stroke["action"].values()) for stroke in log["strokes"]])


def _pixels(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB")).astype(int)


def test_an_earlier_run_resumes_to_the_strokes_that_it_would_have_had(earlier_run: Path) -> None:
    before = _actions(earlier_run)
    cli.main(["run", str(earlier_run / "recipe.toml"), "--out", str(earlier_run), "--resume"], standalone_mode=False)
    assert len((earlier_run / "log.jsonl").read_text().splitlines()) == 12
    expected = _actions(EARLIER / "finished")
    assert np.abs(before - expected).max() > 0.03
    # Not the same bytes: networks round differently on other processors.
    assert np.abs(_actions(earlier_run) - expected).max() < 0.005
    assert np.abs(_pixels(earlier_run / "painting.png") - _pixels(EARLIER / "finished" / "painting.png")).mean() < 1


def test_earlier_strokes_give_the_earlier_picture(tmp_path: Path) -> None:
    cli.main(["export", str(EARLIER / "finished"), str(tmp_path / "again.png")], standalone_mode=False)
    assert np.abs(_pixels(tmp_path / "again.png") - _pixels(EARLIER / "finished" / "painting.png")).max() <= 2


def test_earlier_weights_load() -> None:
    weights = EARLIER / "mean-classic-dry_brush.safetensors"
    painter = artkit.scene((64, 64)).make("renderer", "gan", weights=weights, grain=False)
    place = artkit.Place(torch.zeros(1, 2), 64, 0, torch.zeros(1, dtype=torch.int64), (64, 64), 0)
    coverage = painter(torch.full((1, 12), 0.5), place).coverage
    assert coverage.shape == (1, 1, 64, 64)
    assert coverage.max() > 0
