"""The loop: agent, constraints, renderer, canvas, objectives and optimizer, put together as a recipe says."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from artkit.engine.painting_task import PaintingTask
from artkit.engine.task import Diverged
from artkit.errors import UsageError
from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.interfaces.view import View
from artkit.recipes.building import choose_device, scene_from_recipe
from artkit.recipes.reading import read_recipe
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.action_space import ActionSpace, Dimension

Write = Callable[..., Path]

TOY = """
seed = 5
steps = 12
size = [40, 24]
background = [1.0, 0.5, 0.25]
[canvas]
type = "grid"
tile = 16
overlap = 8
strokes = 2
[renderer]
type = "toy-blob"
[objective.look]
type = "toy-flat"
shift = 0.0
"""


@pytest.fixture
def paint(toy: Any, recipe_file: Write) -> Callable[..., PaintingTask]:
    """The job of the toy recipe, with settings over it."""
    file = recipe_file(TOY)
    return lambda *settings: PaintingTask(read_recipe([file], settings), torch.device("cpu"))


def test_steps_make_the_picture_better(paint: Callable[..., PaintingTask]) -> None:
    job = paint()
    losses = [job.step(step)["loss"] for step in range(job.steps)]
    assert losses[-1] < 0.5 * losses[0]
    assert all(later < earlier for earlier, later in zip(losses, losses[2:], strict=False))


def test_the_loss_is_the_weighted_sum_of_the_objectives(paint: Callable[..., PaintingTask]) -> None:
    told = paint("objective.look.weight=2.5", 'objective.more={type="toy-flat", weight=-0.5, shift=0.0}').step(0)
    assert list(told) == ["loss", "look", "more"]
    assert told["look"] == pytest.approx(told["more"])
    assert told["loss"] == pytest.approx(2.0 * told["look"], rel=1e-5)


def test_the_seed_chooses_everything_random(paint: Callable[..., PaintingTask]) -> None:
    def strokes(*settings: str) -> torch.Tensor:
        job = paint(*settings, "objective.look.shift=0.5")
        torch.rand(3)  # whatever else happens in the process
        for step in range(3):
            job.step(step)
        return job.log().actions

    assert torch.equal(strokes(), strokes())
    assert not torch.equal(strokes(), strokes("seed=6"))


def test_constraints_hold_in_what_is_painted_and_in_what_is_kept(paint: Callable[..., PaintingTask]) -> None:
    job = paint('constraint.ink.type="grayscale"')
    seen: list[torch.Tensor] = []
    forward = job.renderer.forward
    job.renderer.forward = lambda actions, place: seen.append(actions) or forward(actions, place)  # type: ignore[func-returns-value, method-assign]
    job.step(0)
    for actions in (seen[0], job.log().actions):
        torch.testing.assert_close(actions[:, 3], actions[:, 4])
        torch.testing.assert_close(actions[:, 3], actions[:, 5])
        assert not torch.allclose(actions[:, 3], actions[0, 3].expand(len(actions)))


@pytest.mark.parametrize("decay", ["none", "cosine"])
def test_the_learning_rate_warms_up_and_falls(paint: Callable[..., PaintingTask], decay: str) -> None:
    job = paint("steps=60", "optimizer.lr=0.4", "optimizer.warmup=4", f'optimizer.decay="{decay}"')
    rates = []
    for step in (0, 1, 2, 3, 4, 30, 59):
        job.step(step)
        (group,) = job.optimizer.param_groups
        rates.append(group["lr"])
    assert rates[:5] == sorted(rates[:5])
    assert rates[0] == pytest.approx(0.4 / 5, rel=0.02)
    assert rates[4] == pytest.approx(0.4, rel=0.02)
    if decay == "none":
        assert rates[5] == rates[6] == pytest.approx(0.4)
    else:
        assert rates[5] == pytest.approx(0.4 * (0.05 + 0.95 / 2), rel=0.02)
        assert rates[6] == pytest.approx(0.4 * 0.05, rel=0.1)


def test_what_is_kept_paints_the_same_picture(paint: Callable[..., PaintingTask]) -> None:
    job = paint()
    for step in range(2):
        job.step(step)
    with torch.no_grad():
        picture = job.canvas.render(job.renderer, job.actions(1.0), job.scene.background, job.scene.seed)[0]
    painting = RenderedPainting(job.log(), job.renderer)
    torch.testing.assert_close(painting.to_tensor(), picture.clamp(0, 1))
    assert painting.size == (40, 24)


def test_a_painting_leaves_in_windows_as_it_does_whole(
    paint: Callable[..., PaintingTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = paint()
    whole = RenderedPainting(job.log(), job.renderer, 2.0).to_tensor()
    monkeypatch.setattr("artkit.rendering.rendered_painting.WINDOW_SIDE", 30)
    torch.testing.assert_close(RenderedPainting(job.log(), job.renderer, 2.0).to_tensor(), whole)
    part = RenderedPainting(job.log(), job.renderer, 2.0).window(10, 5, 30, 20)
    torch.testing.assert_close(part, whole[:, 5:25, 10:40])
    part = RenderedPainting(job.log(), job.renderer, 2.0, region=Window(5, 2, 15, 10)).to_tensor()
    torch.testing.assert_close(part, whole[:, 4:24, 10:40])


def test_a_state_is_all_that_later_steps_depend_on(paint: Callable[..., PaintingTask]) -> None:
    one, other = paint("objective.look.shift=0.5"), paint("objective.look.shift=0.5")
    for step in range(4):
        one.step(step)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    assert [one.step(step) for step in range(4, 8)] == [other.step(step) for step in range(4, 8)]
    assert torch.equal(one.log().actions, other.log().actions)


def test_the_state_is_small(toy: Any, recipe_file: Write, tmp_path: Path) -> None:
    # A network that is frozen is no state: written every few seconds, it would be most of what a run writes.
    Image.new("RGB", (40, 24)).save(tmp_path / "a.png")
    job = PaintingTask(
        read_recipe([recipe_file(TOY)], [f'objective.look={{type="content", target="{tmp_path / "a.png"}"}}']),
        torch.device("cpu"),
    )

    def weigh(value: Any) -> int:
        if isinstance(value, torch.Tensor):
            return value.numel()
        return sum(map(weigh, value.values())) if isinstance(value, dict) else 0

    assert weigh(job.state_dict()) < 100_000


def test_a_value_that_is_no_number_changes_nothing(paint: Callable[..., PaintingTask]) -> None:
    job = paint("objective.look.nan_from=0.5")
    job.step(0)
    before = job.log().actions
    with pytest.raises(Diverged, match="look"):
        job.step(11)
    assert torch.equal(job.log().actions, before)


def test_a_gradient_that_is_no_number_changes_nothing(paint: Callable[..., PaintingTask]) -> None:
    job = paint()
    before = job.log().actions
    for parameter in job.agent.parameters():
        parameter.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(Diverged, match="gradient"):
        job.step(0)
    assert torch.equal(job.log().actions, before)


def test_a_ground_of_the_targets_colour(toy: Any, recipe_file: Write, tmp_path: Path) -> None:
    Image.new("RGB", (40, 24), (255, 51, 0)).save(tmp_path / "a.png")
    file = recipe_file(TOY.replace("[1.0, 0.5, 0.25]", '"target"'))
    with pytest.raises(UsageError, match="background"):
        PaintingTask(read_recipe([file]), torch.device("cpu"))
    look = f'objective.see={{type="content", target="{tmp_path / "a.png"}"}}'
    job = PaintingTask(read_recipe([file], [look]), torch.device("cpu"))
    assert job.log().background == pytest.approx((1.0, 0.2, 0.0))


def test_a_renderer_without_gradient_is_refused(toy: Any, paint: Callable[..., PaintingTask], monkeypatch: Any) -> None:
    monkeypatch.setattr(toy.Blob, "differentiable", False)
    with pytest.raises(UsageError, match=r"toy-blob.*no gradient") as caught:
        paint()
    assert "surrogate" in caught.value.hint


def test_what_no_machine_can_hold_is_refused_before_it_is_tried(paint: Callable[..., PaintingTask]) -> None:
    with pytest.raises(UsageError) as caught:
        paint("size=[4000,4000]", "canvas.tile=64", "canvas.overlap=60", "canvas.strokes=100")
    assert "GB" in caught.value.message
    assert caught.value.hint


# ----------------------------------------------------------------------------------------------------- small things
def test_a_view_makes_a_thing_once(toy_module: Any) -> None:
    view = View(torch.zeros(1, 3, 4, 4), None, Window(0, 0, 4, 4), 0.5)
    made: list[int] = []

    def make() -> int:
        made.append(len(made))
        return made[-1]

    other = view.with_target(torch.ones(1, 3, 4, 4))
    assert (view.cached("a", make), other.cached("a", make), view.cached(("a", 1), make)) == (0, 0, 1)
    assert made == [0, 1]
    assert view.target is None
    assert other.image is view.image


def test_a_place_knows_its_sheet() -> None:
    assert Place(torch.zeros(1, 2), 10, 3, torch.zeros(1), (4, 4), 0).patch_size == 16


def test_an_action_space_knows_its_numbers() -> None:
    space = ActionSpace("s", (Dimension("a"), Dimension("b", "px", 0, 9)))
    assert (len(space), space.names, space.index("b", "a")) == (2, ("a", "b"), [1, 0])
    assert space.has("a", "b")
    assert not space.has("a", "c")
    with pytest.raises(KeyError):
        space.index("c")


@pytest.mark.parametrize("wanted", ["gpu", "cuda:99", "meta", "", "cpu:x"])
def test_a_device_that_is_not_there_is_named(wanted: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_device(wanted)
    assert f'"{wanted}"' in caught.value.message
    assert "doctor" in caught.value.hint


def test_a_device_that_is_there() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_scene_comes_from_the_recipe(toy: Any, recipe_file: Write) -> None:
    scene = scene_from_recipe(read_recipe([recipe_file(TOY)]), torch.device("cpu"))
    assert (scene.size, scene.seed, scene.background.tolist()) == ((40, 24), 5, [1.0, 0.5, 0.25])
    assert scene.generator.initial_seed() == 5
    assert isinstance(scene.make("renderer", "toy-blob", reach=0.5), toy.Blob)
