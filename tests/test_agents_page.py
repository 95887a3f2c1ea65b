"""The page about agents: its script, and the figures that it measures."""

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
from artkit.strokes.stroke_examples import POINT_NAMES, read_examples
from artkit_mypaint.action_spaces import STROKE_SPACE

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


@pytest.fixture(scope="module")
def stroke_order(agents: Any) -> Any:
    from agent_evaluation import stroke_order

    return stroke_order


@pytest.fixture(scope="module")
def measurement(agents: Any) -> Any:
    from agent_evaluation import measurement

    return measurement


@pytest.fixture
def docs(agents: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder that replaces the documentation's."""
    for name, path in (("DOCS", "."), ("FIGURES", "agents.json"), ("IMAGES", "images/agents")):
        monkeypatch.setattr(agents, name, tmp_path / "docs" / path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "docs"


# -------------------------------------------------------------------------------------------------------- stroke order
def example_actions(stroke_order: Any, label: str, index: int = 0) -> torch.Tensor:
    """The actions of an example of a digit."""
    examples = [example for example in read_examples(stroke_order.EXAMPLES) if example.label == label]
    return examples[index].actions(STROKE_SPACE)


def test_a_path_is_resampled_and_normalised_and_leaves_out_lifted_strokes(stroke_order: Any) -> None:
    seven = example_actions(stroke_order, "7")
    path = stroke_order.stroke_path(seven, STROKE_SPACE)
    assert path.shape == (32, 2)
    assert path.mean(0).tolist() == pytest.approx([0, 0], abs=1e-5)
    assert path.std(0).tolist() == pytest.approx([1, 1], abs=1e-4)
    one = stroke_order.stroke_path(example_actions(stroke_order, "1"), STROKE_SPACE)
    assert one[:, 0].std() < 0.2  # a narrow path stays narrow
    steps = one.diff(dim=0).norm(dim=1)
    assert steps.std() < 0.1 * steps.mean()
    lifted = seven.nan_to_num(0.5)
    lifted[3:, STROKE_SPACE.index("start_pressure", "end_pressure")] = 0
    first_strokes = stroke_order.stroke_path(seven[:3], STROKE_SPACE)
    torch.testing.assert_close(stroke_order.stroke_path(lifted, STROKE_SPACE), first_strokes)
    lifted[:, STROKE_SPACE.index("start_pressure", "end_pressure")] = 0
    assert stroke_order.stroke_path(lifted, STROKE_SPACE).shape == (0, 2)


def test_path_distance_depends_on_the_order_and_not_on_affine_transforms(stroke_order: Any) -> None:
    path = stroke_order.stroke_path(example_actions(stroke_order, "2"), STROKE_SPACE)
    assert stroke_order.path_distance(path, [path]) == 0
    transformed = example_actions(stroke_order, "2")
    x, y = transformed[:, STROKE_SPACE.index(*POINT_NAMES)].view(6, 3, 2).unbind(-1)
    slanted = torch.stack([0.1 + 0.5 * x - 0.2 * y, 0.2 + 0.7 * y], dim=-1)
    transformed[:, STROKE_SPACE.index(*POINT_NAMES)] = slanted.view(6, 6)
    assert stroke_order.path_distance(stroke_order.stroke_path(transformed, STROKE_SPACE), [path]) < 0.05
    assert stroke_order.path_distance(path.flip(0), [path]) > 1
    assert stroke_order.path_distance(path.flip(0), [path, path.flip(0)]) == 0  # the nearest example
    assert stroke_order.path_distance(torch.zeros(0, 2), [path]) > 1


def test_signed_area_and_net_descent_give_the_direction(stroke_order: Any) -> None:
    zero, one, one_with_base = (
        stroke_order.stroke_path(example_actions(stroke_order, label, index), STROKE_SPACE)
        for label, index in (("0", 0), ("1", 0), ("1", 1))
    )
    assert stroke_order.signed_area(zero) < 0 < stroke_order.signed_area(zero.flip(0))
    assert stroke_order.net_descent(one) > 0 > stroke_order.net_descent(one.flip(0))
    assert stroke_order.net_descent(one_with_base) > 0  # although its first stroke goes up


def test_the_examples_themselves_have_the_best_figures(stroke_order: Any) -> None:
    examples = read_examples(stroke_order.EXAMPLES)
    actions = torch.stack([example.actions(STROKE_SPACE) for example in examples])
    labels = torch.tensor([int(example.label) for example in examples])
    figures = stroke_order.measure_stroke_order(actions, labels, STROKE_SPACE)
    assert list(figures.values()) == pytest.approx([1, 1, 1, 0], abs=1e-5)
    start, end = STROKE_SPACE.index("start_x", "start_y"), STROKE_SPACE.index("end_x", "end_y")
    reversed_actions = actions.flip(1).clone()
    reversed_actions[..., start + end] = reversed_actions[..., end + start]
    figures = stroke_order.measure_stroke_order(reversed_actions, labels, STROKE_SPACE)
    assert figures["noughts counter-clockwise"] == 0
    assert figures["ones downwards"] == 0
    assert figures["distance to the example"] > 1


# ------------------------------------------------------------------------------------------------------------- metrics
def test_a_classifier_recognises_its_training_classes(measurement: Any, data_files: Any, tmp_path: Path) -> None:
    from agent_evaluation.classifier import train_classifier

    bars = data_files.characters(400).reshape(100, 4, 28, 28)[:, [0, 3]].reshape(200, 28, 28)  # thin, thick, thin, …
    data_files.write_idx(tmp_path / "t10k-images-idx3-ubyte", bars)
    data_files.write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.arange(200, dtype=np.uint8) % 2)
    scene = artkit.scene((32, 32), device="cpu")
    classifier = train_classifier(scene.make("data", "kmnist", path=str(tmp_path)), epochs=6, batch=16)
    test_set = scene.make("data", "kmnist", path=str(tmp_path), part="test")
    indices = torch.arange(len(test_set))
    images, labels = test_set.images(indices), test_set.labels(indices)
    paintings = measurement.Paintings(images, torch.ones_like(images), images, torch.zeros(0), labels)
    accuracies = measurement.accuracies(classifier, paintings)
    assert accuracies["mypaint"] == accuracies["real"] > 0.9
    assert 0.2 < accuracies["painter"] < 0.8  # its images are white
    rates = measurement.retrieval_rates(classifier, paintings)
    assert rates["itself"] > 0.9
    assert rates["character"] == rates["character, real"] > 0.8


def test_errors_sharpness_and_levels(measurement: Any) -> None:
    target = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert measurement.mean_squared_error(target, target) == 0
    assert measurement.mean_squared_error(target + 0.1, target) == pytest.approx(0.01, rel=1e-3)
    assert measurement.sharpness(target, target) == 1
    assert measurement.sharpness(0.5 * target, target) == pytest.approx(0.5)
    curve = [(10.0, 0.05), (20.0, 0.02), (30.0, 0.03), (40.0, 0.009)]
    assert measurement.seconds_to_reach(curve, 0.02) == 20
    assert measurement.seconds_to_reach(curve, 0.001) is None


# ---------------------------------------------------------------------------------------------------------- the script
def test_the_page_is_written(
    agents: Any, docs: Path, data_files: Any, recipe_file: Callable[..., Path], tmp_path: Path
) -> None:
    data_files.write_npm(tmp_path / "mnist.tgz", data_files.characters(40).reshape(10, 4, 28, 28))
    artkit.paint(recipe_file(RECIPE), out=tmp_path / "runs" / "small").execute()
    for _ in range(2):  # the second time the classifier is cached
        arguments = ["runs/small", "--count", "6", "--classifiers", "classifiers"]
        result = CliRunner().invoke(agents.main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    assert "training" not in result.output
    figures = json.loads((docs / "agents.json").read_text())["small"]
    assert figures["pictures"] == 6
    assert 0 < figures["mse"]["mypaint"] < 1
    assert set(figures["recognised"]) == {"real", "painter", "mypaint"}
    lines = [json.loads(line) for line in (tmp_path / "runs/small/log.jsonl").read_text().splitlines()]
    seconds, mse = (sum(line[name] for line in lines) for name in ("seconds", "mse"))
    assert figures["course"] == [pytest.approx([seconds, mse / 3])]
    page = (docs / "agents.md").read_text()
    for link in re.findall(r"\]\((images/.*?)\)", page):
        assert Image.open(docs / link).size[0] > 100
    assert page.count("| small |") == 3
    assert f"| {figures['mse']['painter']:.4f} | {figures['mse']['mypaint']:.4f} |" in page


def test_data_without_classes_and_data_with_unseen_classes(
    agents: Any, docs: Path, data_files: Any, recipe_file: Callable[..., Path], tmp_path: Path
) -> None:
    data_files.write_celeba(tmp_path / "faces", 8)
    data_files.write_omniglot(tmp_path / "omniglot.zip", data_files.omniglot(2, 4, 3))
    recipe = recipe_file(RECIPE)
    for data_type, path in (("celeba", "faces"), ("omniglot", "omniglot.zip")):
        data = {"type": data_type, "path": path, "batch": 2, "unseen": 0.25}
        artkit.paint(recipe, out=tmp_path / "runs" / data_type, data=data, steps=1).execute()
    result = CliRunner().invoke(agents.main, ["runs/celeba", "runs/omniglot"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    figures = json.loads((docs / "agents.json").read_text())
    assert figures["celeba"]["pictures"] == 2
    assert not {"recognised", "retrieved", "order"} & set(figures["celeba"])
    assert set(figures["omniglot"]["retrieved"]) == {"itself", "character", "character, real"}
    page = (docs / "agents.md").read_text()
    assert "## celeba: 2 test images" in page
    assert "## omniglot: 6 test images" in page
    assert "![celeba: " in page


def test_a_folder_without_an_agent_is_an_error(
    measurement: Any, tmp_path: Path, recipe_file: Callable[..., Path]
) -> None:
    with pytest.raises(ArtkitError, match="is not the folder of a run"):
        measurement.open_run(tmp_path)
    recipe_file('[objective.o]\ntype = "pixel"\ntarget = "recipe.toml"\n', "painting/recipe.toml")
    with pytest.raises(ArtkitError):
        measurement.open_run(tmp_path / "painting")
