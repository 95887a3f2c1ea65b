"""Training the `gan` painter, a few steps of it."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from artkit.engine.renderer_training import RendererTrainingTask
from artkit.engine.run import Run
from artkit.engine.task import Interrupted
from artkit.errors import UsageError
from artkit.files import sha256
from artkit.interfaces.scene import Scene
from artkit.recipes.reading import read_recipe
from artkit_painters import weights
from artkit_painters.gan import Gan
from artkit_painters.gan_trainer import gradient_energy

pytestmark = pytest.mark.usefixtures("mypaint")

STEPS = 6
TINY = """
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
    file = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    file.write_text(TINY)
    return file


@pytest.fixture(scope="module")
def trained(
    recipe_file: Path, train: Callable[..., Run], mypaint: None, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a whole training."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    torch.manual_seed(1)
    train(recipe_file, folder)
    return folder


@pytest.fixture
def with_strokes(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for another training of the recipe; its strokes, which take a while, are copied from the first."""
    from artkit_painters.stroke_data import StrokeSet

    folder = tmp_path / "again"
    real_store = StrokeSet.store

    def store(self: StrokeSet, there: Path, *arguments: object) -> object:
        shutil.copytree(trained / "strokes", there, dirs_exist_ok=True)
        return real_store(self, there, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(StrokeSet, "store", store)
    return folder


def weights_of(folder: Path) -> Path:
    (file,) = folder.glob("gan-*.safetensors")
    return file


def test_a_training_leaves_weights_that_paint(trained: Path, scene: Callable[..., Scene]) -> None:
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(STEPS))
    assert all(math.isfinite(value) for line in lines for value in line.values())
    assert ["gap" in line for line in lines] == [False] * 3 + [True] * 3
    assert (trained / "sheet.png").exists()
    file = weights_of(trained)
    assert file.name == "gan-classic-dry_brush.safetensors"
    _, facts, _ = weights.load(file)
    assert facts["brush"] == "classic/dry_brush"
    assert facts["training"]["strokes"] == 1000
    assert facts["training"]["steps"] == STEPS
    painter = Gan(Gan.Config(weights=file, sha256=sha256(file)), scene())
    assert painter.margin(64) % 2 == 0


def test_the_same_recipe_gives_the_same_weights(
    trained: Path, recipe_file: Path, train: Callable[..., Run], with_strokes: Path
) -> None:
    """Everything random comes from the recipe's seed."""
    torch.manual_seed(2)
    train(recipe_file, with_strokes)
    assert weights_of(with_strokes).read_bytes() == weights_of(trained).read_bytes()


@pytest.mark.parametrize("stop", [2, 3, 4])
def test_going_on_is_as_if_it_had_never_stopped(
    trained: Path, recipe_file: Path, train: Callable[..., Run], with_strokes: Path, stop: int
) -> None:
    """In the regression, at its end, and while the critic judges."""
    torch.manual_seed(1)
    with pytest.raises(Interrupted, match=f"stopped after step {stop} of 6"):
        train(recipe_file, with_strokes, stop_after=stop)
    torch.manual_seed(5)
    assert train(recipe_file, with_strokes, resume=True).first_step == stop
    assert weights_of(with_strokes).read_bytes() == weights_of(trained).read_bytes()
    logs = [(folder / "log.jsonl").read_text().splitlines() for folder in (trained, with_strokes)]
    for one, other in zip(*logs, strict=True):
        assert {**json.loads(one), "seconds": 0} == {**json.loads(other), "seconds": 0}


def test_the_mean_learns(trained: Path, tmp_path: Path, recipe_file: Path, with_strokes: Path) -> None:
    """Forty steps of regression bring the error down."""
    changed = ['trainer.architecture="geometry"', "trainer.channels=8", "trainer.regression=1.0", "trainer.batch=16"]
    job = RendererTrainingTask(read_recipe([recipe_file], ["steps=40", *changed]), torch.device("cpu"), with_strokes)
    job.prepare()
    errors = [job.step(step)["mse"] for step in range(40)]
    assert sum(errors[-8:]) < 0.8 * sum(errors[:8]), errors
    assert job.trainer.save(with_strokes).name.startswith("mean-")


def test_dabs_are_learnt_by_heart_without_strokes(recipe_file: Path, tmp_path: Path) -> None:
    """Two hundred steps of likelihood, for which no stroke is painted: the dabs become likelier in all that is told."""
    job = RendererTrainingTask(
        read_recipe([recipe_file], ["steps=200", "trainer.regression=1.0"]), torch.device("cpu"), tmp_path
    )
    job.prepare()
    first, *_, last = [job.step(step) for step in range(200)]
    assert not (tmp_path / "strokes").exists()
    for name, unlikely in last.items():
        assert unlikely < first[name] - 0.2, name


def test_a_mean_has_no_critic(recipe_file: Path) -> None:
    with pytest.raises(UsageError, match="no critic can judge"):
        read_recipe([recipe_file], ['trainer.architecture="geometry"'])


def test_gradient_energy_tells_grain_from_smudge() -> None:
    grainy = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    smudged = torch.nn.functional.avg_pool2d(grainy, 3, 1, 1)
    assert gradient_energy(grainy) > 3 * gradient_energy(smudged)
    assert gradient_energy(torch.ones(1, 1, 8, 8)) == 0
