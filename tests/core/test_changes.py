"""Changes of a run: the same result whether a run had them from its start, or was stopped, changed and resumed."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.engine.run_folder import RECIPE_FILE
from artkit.errors import UsageError
from artkit.recipes.reading import read_recipe

RECIPE = """\
steps = 6
size = [192, 64]
window = {window}
[canvas]
type = "grid"
tile = 32
overlap = 16
strokes = 1
[renderer]
type = "gan"
[objective.look]
type = "pixel"
target = "target.png"
[objective.smooth]
type = "total-variation"
of = "picture"
"""
CHANGES = {
    "lr": "lr = 0.5",
    "weights": "weights = {smooth = 5.0}",
    "steps": "steps = 9",
    "mask": 'weight_images = {look = "mask.png"}',
}
Paint = Callable[..., Run]


@pytest.fixture
def paint(tmp_path: Path) -> Paint:
    """Executes a run with changes from a step on: ``paint("folder", changes, resume, stop_at)``."""
    Image.linear_gradient("L").resize((192, 64)).save(tmp_path / "target.png")
    mask = np.zeros((64, 192), np.uint8)
    mask[:, 128:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")

    def execute(
        name: str, changes: str = "", resume: bool = False, stop_at: int = 0, window: int | str = '"auto"'
    ) -> Run:
        recipe = tmp_path / "r.toml"
        recipe.write_text(RECIPE.format(window=window) + changes)
        loaded = read_recipe([recipe])
        run = Run(tmp_path / name, loaded, PaintingTask(loaded, torch.device("cpu")), resume)
        if not stop_at:
            return run.execute()
        for progress in run:
            if progress.step == stop_at:
                break
        return run

    return execute


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_run_equals_one_that_had_the_changes_from_its_start(
    paint: Paint, run_files: Any, tmp_path: Path, kind: str
) -> None:
    change = f"[[changes]]\nstep = 3\n{CHANGES[kind]}\n"
    paint("changed", stop_at=3)
    paint("changed", change, resume=True)
    paint("whole", change)
    paint("plain")
    changed, whole, plain = (run_files.results(tmp_path / name) for name in ("changed", "whole", "plain"))
    assert changed == whole
    assert changed["painting.png"] != plain["painting.png"], "the change has an effect"
    assert changed["log.jsonl"][:3] == plain["log.jsonl"][:3], "and none before its step"
    assert [line.get("changes") is not None for line in changed["log.jsonl"][:6]] == [False] * 3 + [True] + [False] * 2


def test_a_finished_run_gets_more_steps(paint: Paint, run_files: Any, tmp_path: Path) -> None:
    more = "[[changes]]\nstep = 6\nsteps = 8\n"
    paint("more")
    paint("more", more, resume=True)
    paint("whole", more)
    assert run_files.results(tmp_path / "more") == run_files.results(tmp_path / "whole")
    assert len(run_files.log(tmp_path / "more")) == 8


def test_changes_of_a_picture_of_several_windows_are_at_epochs(paint: Paint, run_files: Any, tmp_path: Path) -> None:
    change = "[[changes]]\nstep = 2\nsteps = 3\nlr = 0.5\n"
    run = paint("changed", stop_at=1, window=160)
    windows = run.task.steps_per_epoch
    assert windows > 1
    paint("changed", change, resume=True, window=160)
    paint("whole", change, window=160)
    assert run_files.results(tmp_path / "changed") == run_files.results(tmp_path / "whole")
    assert len(run_files.log(tmp_path / "changed")) == 3 * windows


def test_a_masked_change_leaves_the_rest_as_it_is(paint: Paint, tmp_path: Path) -> None:
    change = '[[changes]]\nstep = 3\nsteps = 12\nweight_images = {look = "mask.png"}\nweights = {smooth = 0.0}\n'
    paint("masked", change)
    paint("stopped", stop_at=3)
    before, after = (
        np.asarray(Image.open(tmp_path / name / "painting.png").convert("RGB"), float) for name in ("stopped", "masked")
    )
    difference = np.abs(after - before).mean((0, 2))
    assert difference[:48].max() == 0
    assert difference[128:].mean() > 5


def test_changes_that_were_made_cannot_be_unmade(paint: Paint) -> None:
    paint("run", "[[changes]]\nstep = 1\nlr = 0.2\n", stop_at=3)
    with pytest.raises(UsageError, match="changes"):
        paint("run", "[[changes]]\nstep = 1\nlr = 0.3\n", resume=True)
    with pytest.raises(UsageError, match="changes"):
        paint("run", resume=True)
    with pytest.raises(UsageError, match="changes"):
        paint("run", "[[changes]]\nstep = 1\nlr = 0.2\n[[changes]]\nstep = 2\nlr = 0.1\n", resume=True)
    paint("run", "[[changes]]\nstep = 1\nlr = 0.2\n[[changes]]\nstep = 3\nlr = 0.1\n", resume=True)


def test_steps_are_not_set_beside_changed_ones(paint: Paint, tmp_path: Path) -> None:
    paint("run", "[[changes]]\nstep = 6\nsteps = 7\n")
    loaded = read_recipe([tmp_path / "run" / RECIPE_FILE], ["steps=12"])
    with pytest.raises(UsageError, match="changes its number of steps"):
        Run(tmp_path / "run", loaded, PaintingTask(loaded, torch.device("cpu")), True).execute()


def test_the_recipe_of_a_run_repeats_it(paint: Paint, tmp_path: Path, run_files: Any) -> None:
    paint("run", '[[changes]]\nstep = 2\nweight_images = {look = "mask.png"}\n')
    record = tomllib.loads((tmp_path / "run" / RECIPE_FILE).read_text())
    assert "changes.0.weight_images.look" in record["record"]["sha256"]
    loaded = read_recipe([tmp_path / "run" / RECIPE_FILE])
    Run(tmp_path / "again", loaded, PaintingTask(loaded, torch.device("cpu"))).execute()
    assert run_files.results(tmp_path / "again")["painting.png"] == run_files.results(tmp_path / "run")["painting.png"]
    Image.new("L", (192, 64)).save(tmp_path / "mask.png")
    with pytest.raises(UsageError, match="sha256 differs"):
        read_recipe([tmp_path / "run" / RECIPE_FILE])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("[[changes]]\nstep = 3\nweights = {none = 1}", "changes.0.weights.none: there is no objective none"),
        ("[[changes]]\nstep = 3\nlr = -1", "changes.0.lr: must be more than 0"),
        ("[[changes]]\nstep = 3\n[[changes]]\nstep = 2", "in the order of their steps"),
        ("[[changes]]\nsteps = 3", "changes.0.step: is missing"),
        ('[[changes]]\nstep = 3\nweight_images = {look = "none.png"}', "there is no file"),
    ],
)
def test_wrong_changes(paint: Paint, changes: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        paint("run", changes)
