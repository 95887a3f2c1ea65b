"""Tests of the `gan` trainer with short trainings on stored strokes."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import torch

from artkit.engine.renderer_training import RendererTrainingTask
from artkit.engine.run import Run
from artkit.engine.task import Diverged, Interrupted
from artkit.errors import UsageError
from artkit.files import sha256
from artkit.interfaces.scene import Scene
from artkit.recipes.reading import read_recipe
from artkit_mypaint.engine.engine import Engine
from artkit_painters import weights
from artkit_painters.gan import Gan
from artkit_painters.stroke_data import StrokeSet

STEPS = 6
RECIPE = """
seed = 3
steps = 6
[trainer]
type = "gan"
strokes = 1000
listen = 20
batch = 8
regression = 0.5
critic_steps = 2
"""


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recipe") / "short.toml"
    file.write_text(RECIPE)
    return file


@pytest.fixture(scope="module")
def trained(recipe_file: Path, train: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted training."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    torch.manual_seed(1)
    train(recipe_file, folder)
    return folder


@pytest.fixture
def folder_with_strokes(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for another training, whose strokes are copied from the first training to save time."""
    store = StrokeSet.store

    def copy_and_store(self: StrokeSet, folder: Path, engine: Engine) -> Iterator[int]:
        shutil.copytree(trained / "strokes", folder, dirs_exist_ok=True)
        return store(self, folder, engine)

    monkeypatch.setattr(StrokeSet, "store", copy_and_store)
    return tmp_path / "second"


def find_weights(folder: Path) -> Path:
    (file,) = folder.glob("gan-*.safetensors")
    return file


def build_task(recipe_file: Path, folder: Path, *settings: str) -> RendererTrainingTask:
    task = RendererTrainingTask(read_recipe([recipe_file], list(settings)), torch.device("cpu"), folder)
    task.prepare()
    return task


def test_training_writes_weights_log_and_image(trained: Path, scene: Callable[..., Scene]) -> None:
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(STEPS))
    assert all(math.isfinite(value) for line in lines for value in line.values())
    assert ["gap" in line for line in lines] == [False] * 3 + [True] * 3
    assert (trained / "sheet.png").exists()
    file = find_weights(trained)
    assert file.name == "gan-classic-dry_brush.safetensors"
    _, metadata, _ = weights.load(file)
    assert metadata["brush"] == "classic/dry_brush"
    assert metadata["training"]["strokes"] == 1000
    assert metadata["training"]["steps"] == STEPS
    renderer = Gan(Gan.Config(weights=file, sha256=sha256(file)), scene())
    assert renderer.margin(64) % 2 == 0


def test_weights_depend_on_the_recipe_s_seed_only(
    trained: Path, recipe_file: Path, train: Callable[..., Run], folder_with_strokes: Path
) -> None:
    torch.manual_seed(2)
    train(recipe_file, folder_with_strokes)
    assert find_weights(folder_with_strokes).read_bytes() == find_weights(trained).read_bytes()


@pytest.mark.parametrize("stop", [2, 3, 4], ids=["in likelihood steps", "between the stages", "in adversarial steps"])
def test_resumed_training_has_the_same_weights_and_log(
    trained: Path, recipe_file: Path, train: Callable[..., Run], folder_with_strokes: Path, stop: int
) -> None:
    torch.manual_seed(1)
    with pytest.raises(Interrupted, match=f"stopped after step {stop} of 6"):
        train(recipe_file, folder_with_strokes, stop_after=stop)
    torch.manual_seed(5)
    assert train(recipe_file, folder_with_strokes, resume=True).first_step == stop
    assert find_weights(folder_with_strokes).read_bytes() == find_weights(trained).read_bytes()
    logs = [(folder / "log.jsonl").read_text().splitlines() for folder in (trained, folder_with_strokes)]
    for line, resumed_line in zip(*logs, strict=True):
        assert {**json.loads(line), "seconds": 0} == {**json.loads(resumed_line), "seconds": 0}


@pytest.mark.slow
def test_error_of_the_mean_decreases(recipe_file: Path, folder_with_strokes: Path) -> None:
    settings = ['trainer.architecture="geometry"', "trainer.channels=8", "trainer.regression=1.0", "trainer.batch=16"]
    task = build_task(recipe_file, folder_with_strokes, "steps=40", *settings)
    errors = [task.step(step)["mse"] for step in range(40)]
    assert sum(errors[-8:]) < 0.8 * sum(errors[:8]), errors
    assert task.trainer.save(folder_with_strokes).name.startswith("mean-")


def test_mean_is_trained_without_a_critic(recipe_file: Path, folder_with_strokes: Path) -> None:
    task = build_task(
        recipe_file,
        folder_with_strokes,
        'trainer.architecture="geometry"',
        "trainer.regression=1.0",
        "trainer.reach=[2, 2]",
    )
    assert {name.partition(".")[0] for name in task.trainer.state_dict()} == {"painter"}
    assert set(task.trainer.optimizers()) == {"regression"}


@pytest.mark.slow
def test_negative_log_likelihoods_decrease_without_stored_strokes(recipe_file: Path, tmp_path: Path) -> None:
    task = build_task(recipe_file, tmp_path, "steps=200", "trainer.regression=1.0")
    first, *_, last = [task.step(step) for step in range(200)]
    assert not (tmp_path / "strokes").exists()
    for name, loss in last.items():
        assert loss < first[name] - 0.2, name


def test_a_critic_is_not_changed_by_a_step_that_diverges(recipe_file: Path, folder_with_strokes: Path) -> None:
    task = build_task(recipe_file, folder_with_strokes, "trainer.regression=0")
    task.step(0)
    before = deepcopy(task.state_dict())
    with torch.no_grad():
        list(task.trainer.painter.parameters())[-1].fill_(math.nan)  # type: ignore[attr-defined]
    with pytest.raises(Diverged):
        task.step(1)
    after = task.state_dict()
    for name, value in before["trainer"].items():
        assert name.startswith("painter.") or torch.equal(after["trainer"][name], value)
    for index, values in before["optimizers"]["judging"]["state"].items():
        for name, value in values.items():
            assert torch.equal(after["optimizers"]["judging"]["state"][index][name], value)


def test_error_for_adversarial_training_of_a_mean(recipe_file: Path) -> None:
    with pytest.raises(UsageError, match="set regression = 1"):
        read_recipe([recipe_file], ['trainer.architecture="geometry"'])
