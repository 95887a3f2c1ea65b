"""Recipes with a first stage: its picture is the target of the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import artkit
from artkit.engine.run import Run
from artkit.errors import UsageError
from artkit.recipes.reading import read_recipe
from artkit.strokes.stroke_log import StrokeLog

RECIPE = """
seed = 5
steps = 6
size = [48, 32]
background = "target"

[canvas]
type = "grid"
tile = 16
overlap = 8
strokes = 2

[renderer]
type = "mypaint"

[objective.look]
type = "pixel"
target = "first"

[objective.smooth]
type = "total-variation"
of = "picture"
weight = 0.1

[constraint.ink]
type = "grayscale"

[first]
steps = 4
size = [24, 16]

[first.canvas]
type = "single"
strokes = 1

[first.renderer]
type = "fourier"
waves = 3

[first.objective.smooth]
weight = 1.0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "two.toml").write_text(RECIPE)
    return tmp_path / "two.toml"


@pytest.fixture
def paint(file: Path, tmp_path: Path) -> Callable[..., Run]:
    return lambda name, **settings: artkit.paint(file, out=tmp_path / name, **settings)


def losses(run: Run) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]


def pixels(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB"), dtype=float) / 255


def test_the_second_stage_paints_the_picture_of_the_first(paint: Callable[..., Run]) -> None:
    run = paint("run", steps=40).execute()
    lines = losses(run)
    assert [set(line) & {"look", "smooth"} for line in lines] == [{"smooth"}] * 4 + [{"look", "smooth"}] * 40
    assert all(line["loss"] == pytest.approx(line["smooth"]) for line in lines[:4])  # with the weight of the table
    first, painting = pixels(run.folder / "first.png"), pixels(run.folder / "painting.png")
    assert first.shape == painting.shape == (32, 48, 3)  # the renderer fourier renders it at the second's size
    assert np.square(first.mean(2) - painting.mean(2)).mean() < np.square(1 - first.mean(2)).mean() / 4
    strokes = StrokeLog.load(run.folder / "strokes.json")
    assert strokes.renderer["type"] == "mypaint"
    assert "first.png, target of look" in (run.folder / "report.html").read_text()


def test_the_first_stage_ends_with_the_picture_that_its_own_recipe_paints(
    paint: Callable[..., Run], file: Path, tmp_path: Path
) -> None:
    run = paint("run", steps=1).execute()
    first = read_recipe([file]).first
    assert first is not None
    tree = first.resolved()
    tree["output"]["scale"] = 2.0
    alone = artkit.paint(tree, out=tmp_path / "alone").execute()
    assert (pixels(alone.folder / "painting.png") == pixels(run.folder / "first.png")).all()


@pytest.mark.parametrize("stop", [2, 4, 7])
def test_an_interrupted_run_ends_with_the_same_picture(paint: Callable[..., Run], stop: int) -> None:
    whole = paint("whole").execute()
    for progress in paint("stopped"):
        if progress.step == stop:
            break
    resumed = paint("stopped", resume=True).execute()
    assert resumed.first_step == stop
    for name in ("painting.png", "first.png", "strokes.json"):
        assert (whole.folder / name).read_bytes() == (resumed.folder / name).read_bytes(), name


def test_more_steps_are_of_the_second_stage(paint: Callable[..., Run]) -> None:
    paint("run").execute()
    run = paint("run", steps=8, resume=True).execute()
    assert (run.first_step, run.task.steps) == (10, 12)


def test_a_finished_run_resumes_without_a_step(paint: Callable[..., Run]) -> None:
    paint("run").execute()
    assert [*paint("run", resume=True)] == []


def test_the_recipe_of_a_run_paints_the_same_again(paint: Callable[..., Run], tmp_path: Path) -> None:
    run = paint("run").execute()
    again = artkit.paint(run.folder / "recipe.toml", out=tmp_path / "again").execute()
    assert (run.folder / "painting.png").read_bytes() == (again.folder / "painting.png").read_bytes()


def test_a_picture_takes_the_place_of_the_first_stage(file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "mine.png"
    Image.new("RGB", (48, 32), (200, 30, 30)).save(picture)
    run = artkit.paint(file, picture=picture, out=tmp_path / "mine").execute()
    assert run.recipe.first is None
    assert run.task.steps == 6
    assert not (run.folder / "first.png").exists()


def test_before_the_first_stage_ends_its_picture_is_the_result(paint: Callable[..., Run]) -> None:
    for progress in (run := paint("run")):
        if progress.step == 2:
            break
    assert Image.open(run.folder / "painting.png").size == (24, 16)
    assert not (run.folder / "first.png").exists()


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"first": {"steps": -1}}, "first.steps: must be at least 0"),
        ({"first": {"canvas": {"type": "rung"}}}, "first.canvas.type"),
        ({"first": 3}, "first: write a table"),
        ({"first": {"objective": {"look": {"type": "pixel", "target": "first"}}}}, "first.objective.look.target"),
    ],
)
def test_errors_name_the_place(file: Path, settings: dict[str, object], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        read_recipe([file], [settings])


def test_a_target_needs_the_first_stage() -> None:
    recipe = {"objective": {"look": {"type": "pixel", "target": "first"}}}
    with pytest.raises(UsageError, match=r'objective.look.target: "first" needs a table \[first\]'):
        read_recipe([recipe])
    with pytest.raises(UsageError, match=r"\[first\]"):
        artkit.scene((16, 16)).make("objective", "pixel", target="first")


def test_errors_of_the_second_stage_are_raised_before_the_first_begins(paint: Callable[..., Run]) -> None:
    with pytest.raises(UsageError, match='no layer "none"'):
        paint("run", objective={"look": {"type": "content", "target": "first", "layers": ["none"]}})


def test_the_first_stage_is_part_of_the_recipe_that_a_run_must_share(paint: Callable[..., Run]) -> None:
    paint("run").execute()
    with pytest.raises(UsageError, match=r"other settings: first\.renderer\.waves"):
        paint("run", resume=True, first={"renderer": {"type": "fourier", "waves": 4}}).execute()


def test_another_seed_is_another_first_picture(paint: Callable[..., Run]) -> None:
    pictures = [torch.from_numpy(pixels(paint(f"{s}", seed=s).execute().folder / "first.png")) for s in (1, 2)]
    assert not torch.equal(*pictures)
