"""AgentTrainingTask: batches, augmentation, training, the saved weights, and painting with them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from artkit import weights
from artkit.api import create_run
from artkit.engine.agent_training import AGENT_FILE, SAMPLES_FILE, AgentTrainingTask
from artkit.engine.run import Run
from artkit.errors import UsageError
from artkit.recipes.reading import read_recipe

Write = Callable[..., Path]

RECIPE = """
seed = 3
steps = 6
size = [32, 32]
[data]
type = "folder"
path = "bars"
batch = 4
unseen = 0
[canvas]
type = "single"
strokes = 2
[renderer]
type = "gan"
grain = false
[agent]
type = "lstm"
view = 16
channels = 8
cells = 32
[constraint.ink]
type = "colour"
[objective.match]
type = "pixel"
scales = [1, 8]
[optimizer]
lr = 0.005
"""

CRITIC = 'objective.critic={type="adversarial", view=16, channels=4}'
HAND = 'objective.hand={type="preconditioning", examples="hand.toml", weight=[[0.4, 2.0], [0.6, 0.0]]}'


@pytest.fixture
def recipe_of(recipe_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Returns the recipe of an agent that is trained on images of bars of three directions, with settings."""
    monkeypatch.chdir(tmp_path)
    for number in range(10):
        image = Image.new("L", (32, 32), 255)
        direction = number % 3
        ends = [(16 + number % 4, 4, 16, 28), (4, 12 + number % 4, 28, 16), (6, 6, 26, 26)][direction]
        ImageDraw.Draw(image).line(ends, 0, 4)
        file = tmp_path / "bars" / ("upright", "lying", "slanted")[direction] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image.save(file)
    (tmp_path / "hand.toml").write_text(
        '[[example]]\nclass = "lying"\nstrokes = [{ from = [0, 0.5], to = [1, 0.5] }]\n'
    )
    file = recipe_file(RECIPE)
    return lambda *settings: read_recipe([file], settings)


def _record_views(task: AgentTrainingTask) -> list[Any]:
    """Record the views that the objective "match" scores."""
    views: list[Any] = []
    forward = task.objectives["match"].forward
    task.objectives["match"].forward = lambda view: views.append(view) or forward(view)  # type: ignore[method-assign,func-returns-value]
    return views


@pytest.fixture
def train(recipe_of: Callable[..., Any]) -> Callable[..., AgentTrainingTask]:
    """Returns the task of the recipe with settings: ``train("steps=3")``."""
    return lambda *settings: AgentTrainingTask(recipe_of(*settings), torch.device("cpu"))


def run(recipe: Any, folder: str, resume: bool = False) -> Run:
    return create_run(recipe, Path(folder), resume, "cpu")


# ----------------------------------------------------------------------------------------------------------- batches
def test_an_epoch_draws_each_image_once(train: Callable[..., AgentTrainingTask]) -> None:
    task = train()
    drawn = [int(index) for _ in range(10) for index in task._next_batch()]
    assert set(Counter(drawn[:10])) == set(range(10))
    assert Counter(drawn) == Counter(4 * list(range(10)))
    assert drawn[:10] != drawn[10:20]
    other = train("seed=4")
    assert [int(index) for index in torch.cat([other._next_batch() for _ in range(3)])[:10]] != drawn[:10]


def test_a_batch_may_be_larger_than_the_data(train: Callable[..., AgentTrainingTask]) -> None:
    task = train("data.batch=23")
    assert max(Counter(task._next_batch().tolist()).values()) == 3
    assert task.step(0)["loss"] > 0


def test_objectives_get_images_targets_actions_and_labels(
    train: Callable[..., AgentTrainingTask],
) -> None:
    task = train()
    views = _record_views(task)
    task.step(0)
    (view,) = views
    assert view.image.shape == view.target.shape == (4, 3, 32, 32)
    assert view.actions.shape == view.raw_actions.shape == (4, 2, 12)
    assert (view.actions[..., 9:] == 0).all()
    assert (view.raw_actions[..., 9:] != 0).any()
    assert view.labels.shape == (4,)
    assert view.progress == 0


def test_images_are_augmented_in_training_steps_only(
    train: Callable[..., AgentTrainingTask],
) -> None:
    def first_targets(*settings: str) -> Any:
        task = train("data.batch=10", *settings)
        views = _record_views(task)
        task.step(0)
        assert torch.equal(task.view(torch.arange(10)).target, train().view(torch.arange(10)).target)  # type: ignore[arg-type]
        return views[-1].target

    plain, augmented, again = (first_targets(*s) for s in ((), ("data.vary=0.1",), ("data.vary=0.1",)))
    difference = (augmented - plain).abs().mean((1, 2, 3))
    assert (difference > 0.005).all()
    assert (difference < 0.2).all()
    assert torch.equal(augmented, again)
    assert (first_targets("data.vary=0.1", "seed=9") != augmented).any()


def test_stroke_noise_has_a_new_seed_in_each_step(train: Callable[..., AgentTrainingTask]) -> None:
    task = train()
    seeds = []
    render = task.canvas.render
    task.canvas.render = lambda *args, **kwargs: seeds.append(args[3]) or render(*args, **kwargs)  # type: ignore[method-assign,func-returns-value]
    for step in range(3):
        task.step(step)
    assert len(set(seeds)) == 3
    assert seeds != [3, 3, 3]


# ---------------------------------------------------------------------------------------------------------- training
def test_training_makes_pictures_similar_to_their_targets(train: Callable[..., AgentTrainingTask]) -> None:
    task = train("steps=60", "data.batch=10")
    losses = [task.step(step)["match"] for step in range(60)]
    assert losses[-1] < 0.6 * losses[0]
    indices = torch.arange(10)
    view, labels = task.view(indices), task.dataset.labels(indices)
    assert view.target is not None
    assert labels is not None
    nearest = torch.cdist(view.image.flatten(1), view.target.flatten(1)).argmin(1)
    assert (labels[nearest] == labels).float().mean() >= 0.8


def test_an_objective_is_active_while_its_schedule_is_not_0(recipe_of: Callable[..., Any]) -> None:
    run(recipe_of(HAND, "steps=6"), "out").execute()
    lines = [json.loads(line) for line in Path("out/log.jsonl").read_text().splitlines()]
    assert ["hand" in line for line in lines] == [True, True, True, False, False, False]
    assert lines[0]["loss"] == pytest.approx(lines[0]["match"] + 2 * lines[0]["hand"])
    assert lines[2]["loss"] == pytest.approx(lines[2]["match"] + 2 * lines[2]["hand"])
    assert lines[5]["loss"] == pytest.approx(lines[5]["match"])


def test_a_run_without_an_active_objective_is_refused(train: Callable[..., AgentTrainingTask]) -> None:
    with pytest.raises(UsageError, match="all objectives have weight 0 at 0%"):
        train("objective.match.weight=[[0.0, 0.0], [1.0, 1.0]]").forecast()


def test_agents_that_do_not_use_targets_are_refused(train: Callable[..., AgentTrainingTask]) -> None:
    with pytest.raises(UsageError, match="cannot be trained"):
        train('agent={type="free"}')


def test_training_without_steps_is_refused(recipe_of: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="steps: training needs at least 1"):
        recipe_of("steps=0")


def test_an_objective_with_a_target_is_refused(train: Callable[..., AgentTrainingTask], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two targets"):
        train('objective.match.target="bars/lying/1.png"')


# -------------------------------------------------------------------------------------------------- time and memory
def test_a_forecast_changes_nothing(train: Callable[..., AgentTrainingTask]) -> None:
    task, other = train(CRITIC), train(CRITIC)
    assert "10 pictures, 6 steps of 4 with 2 strokes each, about" in task.forecast()
    assert [task.step(step) for step in range(2)] == [other.step(step) for step in range(2)]


def test_a_batch_that_does_not_fit_into_memory_is_refused(
    train: Callable[..., AgentTrainingTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = train()
    monkeypatch.setattr("artkit.memory.total_memory", lambda: 20 * task._step_bytes)
    train("data.batch=8")
    with pytest.raises(UsageError, match=r"a step of 4,000 pictures with 2 strokes each .* this process may use"):
        train("data.batch=4000")


# ---------------------------------------------------------------------------------------------------------- results
def test_training_resumes_as_without_interruption(recipe_of: Callable[..., Any]) -> None:
    """With the agent, the critic and its optimizer, and the order of the images."""
    recipe = recipe_of(CRITIC, HAND, "steps=7", "data.vary=0.1")
    run(recipe, "uninterrupted").execute()
    for step, *_ in run(recipe, "resumed"):
        if step == 4:
            break
    run(recipe, "resumed", resume=True).execute()
    for file in (AGENT_FILE, SAMPLES_FILE):
        assert (Path("uninterrupted") / file).read_bytes() == (Path("resumed") / file).read_bytes()


def test_metadata_of_the_saved_weights(recipe_of: Callable[..., Any]) -> None:
    finished = run(recipe_of(), "out").execute()
    assert [file.name for file in finished.outputs[:2]] == [AGENT_FILE, SAMPLES_FILE]
    _, metadata, _ = weights.load(Path("out") / AGENT_FILE)
    assert metadata["agent"]["type"] == "lstm"
    assert metadata["agent"]["cells"] == 32
    assert metadata["space"] == "mypaint-stroke-1"
    assert metadata["constraint"]["ink"]["type"] == "colour"
    assert metadata["canvas"]["strokes"] == 2
    assert str(Path.cwd()) not in json.dumps(metadata)


def test_training_from_weights_keeps_their_settings(recipe_of: Callable[..., Any]) -> None:
    """The recipe's settings are for agents without weights."""
    run(recipe_of("agent.revise=1", "agent.at_once=2"), "first").execute()
    run(recipe_of('agent.weights="first/agent.safetensors"', "steps=1"), "second").execute()
    _, metadata, _ = weights.load(Path("second") / AGENT_FILE)
    assert (metadata["agent"]["revise"], metadata["agent"]["at_once"]) == (1, 2)
    assert "weights" not in metadata["agent"]
    third = AgentTrainingTask(recipe_of('agent.weights="second/agent.safetensors"'), torch.device("cpu"))
    assert third.agent.config.model_dump()["revise"] == 1


def test_the_sample_grid_shows_images_paintings_and_mypaints_version(recipe_of: Callable[..., Any]) -> None:
    run(recipe_of("steps=1"), "out").execute()
    with Image.open("out/sheet.png") as grid:
        assert grid.size == (10 * 36, 3 * 36)
    run(recipe_of("steps=1", 'renderer={type="mypaint"}'), "real").execute()
    with Image.open("real/sheet.png") as grid:
        assert grid.size == (10 * 36, 2 * 36)


def test_training_with_mypaint_as_the_renderer(train: Callable[..., AgentTrainingTask]) -> None:
    task = train('renderer={type="mypaint"}', "steps=25", "data.batch=10")
    losses = [task.step(step)["match"] for step in range(25)]
    assert losses[-1] < 0.9 * losses[0]


PAGE = """
steps = 0
size = [64, 32]
[canvas]
type = "grid"
tile = 32
overlap = 0
strokes = 2
[renderer]
type = "gan"
grain = false
[agent]
type = "lstm"
weights = "out/agent.safetensors"
[constraint.ink]
type = "colour"
[objective.match]
type = "pixel"
target = "page.png"
"""


def test_a_trained_agent_paints_a_page_without_steps_and_steps_improve_it(recipe_of: Callable[..., Any]) -> None:
    """Each tile is painted as in training."""
    run(recipe_of("steps=40"), "out").execute()
    page = Image.new("RGB", (64, 32))
    for column, name in enumerate(("bars/upright/0.png", "bars/lying/1.png")):
        page.paste(Image.open(name).convert("RGB"), (32 * column, 0))
    page.save("page.png")
    Path("page.toml").write_text(PAGE)
    finished = run(read_recipe([Path("page.toml")]), "at-once").execute()
    assert {"painting.png", "strokes.json", "report.html"} <= {file.name for file in finished.folder.iterdir()}
    trained = AgentTrainingTask(recipe_of('agent.weights="out/agent.safetensors"'), torch.device("cpu"))
    task: Any = finished.task
    page_tiles = torch.cat(task.scene.target.pixels.chunk(2, dim=3))
    with torch.no_grad():
        expected = trained.scene.constrain(trained.agent(trained.scene, page_tiles), 1.0)
    for column in range(2):
        in_column = task.canvas.tiles()[:, 0] == 32 * column
        torch.testing.assert_close(task.log().actions[in_column], expected[column], atol=0.01, rtol=0)
    improved = run(read_recipe([Path("page.toml")], ["steps=15", "optimizer.lr=0.002"]), "improved").execute()
    first, last = (json.loads(line) for line in Path("improved/log.jsonl").read_text().splitlines()[::14])
    assert last["match"] < first["match"]
    assert improved.step == 15
