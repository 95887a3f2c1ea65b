"""Learning to paint: batches of a data set, an agent that looks, its weights, and painting with them."""

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
    """The recipe of an agent that learns bars: upright, lying, and slanted ones."""
    monkeypatch.chdir(tmp_path)
    for number in range(10):
        image = Image.new("L", (32, 32), 255)
        turned = number % 3
        ends = [(16 + number % 4, 4, 16, 28), (4, 12 + number % 4, 28, 16), (6, 6, 26, 26)][turned]
        ImageDraw.Draw(image).line(ends, 0, 4)
        file = tmp_path / "bars" / ("upright", "lying", "slanted")[turned] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image.save(file)
    (tmp_path / "hand.toml").write_text(
        '[[example]]\nclass = "lying"\nstrokes = [{ from = [0, 0.5], to = [1, 0.5] }]\n'
    )
    file = recipe_file(RECIPE)
    return lambda *settings: read_recipe([file], settings)


@pytest.fixture
def learn(recipe_of: Callable[..., Any]) -> Callable[..., AgentTrainingTask]:
    """The job of the recipe, with settings over it."""
    return lambda *settings: AgentTrainingTask(recipe_of(*settings), torch.device("cpu"))


def run(recipe: Any, folder: str, resume: bool = False) -> Run:
    return create_run(recipe, Path(folder), resume, "cpu")


# ------------------------------------------------------------------------------------------------------- the batches
def test_all_pictures_come_once_before_any_comes_again(learn: Callable[..., AgentTrainingTask]) -> None:
    job = learn()
    drawn = [int(number) for _ in range(10) for number in job._draw()]
    assert set(Counter(drawn[:10])) == set(range(10))
    assert Counter(drawn) == Counter(4 * list(range(10)))
    assert drawn[:10] != drawn[10:20]
    other = learn("seed=4")
    assert [int(number) for number in torch.cat([other._draw() for _ in range(3)])[:10]] != drawn[:10]


def test_a_batch_may_be_larger_than_the_data(learn: Callable[..., AgentTrainingTask]) -> None:
    job = learn("data.batch=23")
    assert max(Counter(job._draw().tolist()).values()) == 3
    assert job.step(0)["loss"] > 0


def test_objectives_see_each_picture_with_its_target_its_strokes_and_its_class(
    learn: Callable[..., AgentTrainingTask],
) -> None:
    job = learn()
    seen = []
    look = job.objectives["match"].forward
    job.objectives["match"].forward = lambda view: seen.append(view) or look(view)  # type: ignore[method-assign,func-returns-value]
    job.step(0)
    (view,) = seen
    assert view.image.shape == view.target.shape == (4, 3, 32, 32)
    assert view.actions.shape == view.raw_actions.shape == (4, 2, 12)
    assert (view.actions[..., 9:] == 0).all()
    assert (view.raw_actions[..., 9:] != 0).any()
    assert view.labels.shape == (4,)
    assert view.progress == 0


def test_pictures_are_varied_as_they_are_learnt_from_and_in_no_other_place(
    learn: Callable[..., AgentTrainingTask],
) -> None:
    seen: list[Any] = []

    def first_targets(*settings: str) -> Any:
        job = learn("data.batch=10", *settings)
        look = job.objectives["match"].forward
        job.objectives["match"].forward = lambda view: seen.append(view) or look(view)  # type: ignore[method-assign,func-returns-value]
        job.step(0)
        assert torch.equal(job.view(torch.arange(10)).target, learn().view(torch.arange(10)).target)  # type: ignore[arg-type]
        return seen[-1].target

    plain, varied, again = (first_targets(*told) for told in ((), ("data.vary=0.1",), ("data.vary=0.1",)))
    off = (varied - plain).abs().mean((1, 2, 3))
    assert (off > 0.005).all()
    assert (off < 0.2).all()
    assert torch.equal(varied, again)
    assert (first_targets("data.vary=0.1", "seed=9") != varied).any()


def test_grain_is_another_one_in_each_step(learn: Callable[..., AgentTrainingTask]) -> None:
    job = learn()
    seeds = []
    render = job.canvas.render
    job.canvas.render = lambda *told, **more: seeds.append(told[3]) or render(*told, **more)  # type: ignore[method-assign,func-returns-value]
    for step in range(3):
        job.step(step)
    assert len(set(seeds)) == 3
    assert seeds != [3, 3, 3]


# -------------------------------------------------------------------------------------------------------- the lessons
def test_it_learns_to_paint_what_it_sees(learn: Callable[..., AgentTrainingTask]) -> None:
    job = learn("steps=60", "data.batch=10")
    losses = [job.step(step)["match"] for step in range(60)]
    assert losses[-1] < 0.6 * losses[0]
    every = torch.arange(10)
    view, labels = job.view(every), job.dataset.labels(every)
    assert view.target is not None
    assert labels is not None
    nearest = torch.cdist(view.image.flatten(1), view.target.flatten(1)).argmin(1)
    assert (labels[nearest] == labels).float().mean() >= 0.8


def test_an_objective_takes_part_while_its_schedule_says_so(recipe_of: Callable[..., Any]) -> None:
    run(recipe_of(HAND, "steps=6"), "out").execute()
    lines = [json.loads(line) for line in Path("out/log.jsonl").read_text().splitlines()]
    assert ["hand" in line for line in lines] == [True, True, True, False, False, False]
    assert lines[0]["loss"] == pytest.approx(lines[0]["match"] + 2 * lines[0]["hand"])
    assert lines[2]["loss"] == pytest.approx(lines[2]["match"] + 2 * lines[2]["hand"])
    assert lines[5]["loss"] == pytest.approx(lines[5]["match"])


def test_a_run_that_no_objective_takes_part_in_is_refused(learn: Callable[..., AgentTrainingTask]) -> None:
    with pytest.raises(UsageError, match="no objective takes part at 0%"):
        learn("objective.match.weight=[[0.0, 0.0], [1.0, 1.0]]").forecast()


def test_agents_that_do_not_look_are_refused(learn: Callable[..., AgentTrainingTask]) -> None:
    with pytest.raises(UsageError, match="does not look"):
        learn('agent={type="free"}')


def test_it_needs_a_step(recipe_of: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="steps: to learn takes at least 1"):
        recipe_of("steps=0")


def test_a_target_of_its_own_is_refused(learn: Callable[..., AgentTrainingTask], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two things to paint"):
        learn('objective.match.target="bars/lying/1.png"')


# ---------------------------------------------------------------------------------------------------------- the cost
def test_the_forecast_says_what_it_takes_and_changes_nothing(learn: Callable[..., AgentTrainingTask]) -> None:
    job, other = learn(CRITIC), learn(CRITIC)
    assert "10 pictures, 6 steps of 4 with 2 strokes each, about" in job.forecast()
    assert [job.step(step) for step in range(2)] == [other.step(step) for step in range(2)]


def test_a_batch_that_does_not_fit_is_refused_before_it_is_painted(
    learn: Callable[..., AgentTrainingTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = learn()
    monkeypatch.setattr("artkit.memory.total_memory", lambda: 20 * job._bytes)
    learn("data.batch=8")
    with pytest.raises(UsageError, match=r"a step of 4000 pictures with 2 strokes each .* this machine has"):
        learn("data.batch=4000")


# -------------------------------------------------------------------------------------------------------- the results
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(recipe_of: Callable[..., Any]) -> None:
    """Everything that learns goes on: the agent, the critic with its optimizer, and the place in the data."""
    told = recipe_of(CRITIC, HAND, "steps=7", "data.vary=0.1")
    run(told, "whole").execute()
    stopped = run(told, "parts")
    for step, *_ in stopped:
        if step == 4:
            break
    run(told, "parts", resume=True).execute()
    for file in (AGENT_FILE, SAMPLES_FILE):
        assert (Path("whole") / file).read_bytes() == (Path("parts") / file).read_bytes()


def test_its_weights_tell_what_they_are_of(recipe_of: Callable[..., Any]) -> None:
    done = run(recipe_of(), "out").execute()
    assert [file.name for file in done.outputs[:2]] == [AGENT_FILE, SAMPLES_FILE]
    _, facts, _ = weights.load(Path("out") / AGENT_FILE)
    assert facts["agent"]["type"] == "lstm"
    assert facts["agent"]["cells"] == 32
    assert facts["space"] == "mypaint-stroke-1"
    assert facts["constraint"]["ink"]["type"] == "colour"
    assert facts["canvas"]["strokes"] == 2
    assert str(Path.cwd()) not in json.dumps(facts)


def test_going_on_from_weights_keeps_their_settings(recipe_of: Callable[..., Any]) -> None:
    """Whatever the recipe says, which is for agents that begin with none."""
    run(recipe_of("agent.revise=1", "agent.at_once=2"), "first").execute()
    run(recipe_of('agent.weights="first/agent.safetensors"', "steps=1"), "second").execute()
    _, facts, _ = weights.load(Path("second") / AGENT_FILE)
    assert (facts["agent"]["revise"], facts["agent"]["at_once"]) == (1, 2)
    assert "weights" not in facts["agent"]
    third = AgentTrainingTask(recipe_of('agent.weights="second/agent.safetensors"'), torch.device("cpu"))
    assert third.agent.config.model_dump()["revise"] == 1


@pytest.mark.usefixtures("mypaint")
def test_the_sheet_shows_pictures_paintings_and_what_mypaint_makes_of_them(recipe_of: Callable[..., Any]) -> None:
    run(recipe_of("steps=1"), "out").execute()
    with Image.open("out/sheet.png") as sheet:
        assert sheet.size == (10 * 36, 3 * 36)
    run(recipe_of("steps=1", 'renderer={type="mypaint"}'), "real").execute()
    with Image.open("real/sheet.png") as sheet:
        assert sheet.size == (10 * 36, 2 * 36)


@pytest.mark.usefixtures("mypaint")
def test_the_real_mypaint_can_be_learnt_through(learn: Callable[..., AgentTrainingTask]) -> None:
    job = learn('renderer={type="mypaint"}', "steps=25", "data.batch=10")
    losses = [job.step(step)["match"] for step in range(25)]
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


def test_a_trained_agent_paints_a_page_at_once_or_improves_on_it(recipe_of: Callable[..., Any]) -> None:
    """Each tile as in training; and steps begin where the weights are."""
    run(recipe_of("steps=40"), "out").execute()
    page = Image.new("RGB", (64, 32))
    for place, name in enumerate(("bars/upright/0.png", "bars/lying/1.png")):
        page.paste(Image.open(name).convert("RGB"), (32 * place, 0))
    page.save("page.png")
    Path("page.toml").write_text(PAGE)
    done = run(read_recipe([Path("page.toml")]), "at-once").execute()
    assert {"painting.png", "strokes.json", "report.html"} <= {file.name for file in done.folder.iterdir()}
    trained = AgentTrainingTask(recipe_of('agent.weights="out/agent.safetensors"'), torch.device("cpu"))
    shown = done.task.scene.target.pixels  # type: ignore[attr-defined]
    with torch.no_grad():
        alone = trained.scene.constrain(trained.agent(trained.scene, torch.cat(shown.chunk(2, dim=3))), 1.0)
    job: Any = done.task
    for column in range(2):
        mine = job.canvas.tiles()[:, 0] == 32 * column
        torch.testing.assert_close(job.log().actions[mine], alone[column], atol=0.01, rtol=0)
    better = run(read_recipe([Path("page.toml")], ["steps=15", "optimizer.lr=0.002"]), "improved").execute()
    first, last = (json.loads(line) for line in Path("improved/log.jsonl").read_text().splitlines()[::14])
    assert last["match"] < first["match"]
    assert better.step == 15
