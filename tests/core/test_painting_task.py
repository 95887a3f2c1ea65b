"""PaintingTask: components work together in a step, and the state is complete."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from artkit.devices import choose_device
from artkit.engine.painting_task import PaintingTask
from artkit.engine.task import Diverged
from artkit.errors import UsageError
from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.interfaces.view import View
from artkit.recipes.building import scene_from_recipe
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
    """Returns the task of the toy recipe with settings: ``paint("steps=3")``."""
    file = recipe_file(TOY)
    return lambda *settings: PaintingTask(read_recipe([file], settings), torch.device("cpu"))


def test_steps_reduce_the_loss(paint: Callable[..., PaintingTask]) -> None:
    task = paint()
    losses = [task.step(step)["loss"] for step in range(task.steps)]
    assert losses[-1] < 0.5 * losses[0]
    assert all(later < earlier for earlier, later in zip(losses, losses[2:], strict=False))


def test_the_loss_is_the_weighted_sum_of_the_objectives(paint: Callable[..., PaintingTask]) -> None:
    losses = paint("objective.look.weight=2.5", 'objective.more={type="toy-flat", weight=-0.5, shift=0.0}').step(0)
    assert list(losses) == ["loss", "look", "more"]
    assert losses["look"] == pytest.approx(losses["more"])
    assert losses["loss"] == pytest.approx(2.0 * losses["look"], rel=1e-5)


def test_a_weight_image_scales_the_gradient_of_each_pixel(paint: Callable[..., PaintingTask], tmp_path: Path) -> None:
    weights = Image.new("L", (40, 24), 255)
    weights.paste(0, (0, 0, 20, 24))
    weights.paste(51, (20, 0, 30, 24))
    weights.save(tmp_path / "weights.png")
    gradients, losses = [], []
    for setting in ("objective.look.weight=1.0", f'objective.look.weight_image="{tmp_path / "weights.png"}"'):
        task = paint(setting)
        image = torch.full((1, 3, 24, 40), 0.5, requires_grad=True)
        names, loss, _ = task.score(View(image, None, Window(0, 0, 40, 24), 0.0))
        gradients.append(torch.autograd.grad(loss.sum(), image)[0])
        losses.append(names)
    plain, weighted = gradients
    assert losses[0] == losses[1]
    assert plain.abs().min() > 0
    assert not weighted[..., :20].any()
    torch.testing.assert_close(weighted[..., 20:30], 0.2 * plain[..., 20:30])
    assert torch.equal(weighted[..., 30:], plain[..., 30:])


def test_a_weight_image_leaves_the_strokes_elsewhere_as_they_are(
    paint: Callable[..., PaintingTask], tmp_path: Path
) -> None:
    weights = Image.new("L", (80, 24), 255)
    weights.paste(0, (0, 0, 40, 24))
    weights.save(tmp_path / "weights.png")
    task = paint("size=[80, 24]", f'objective.look.weight_image="{tmp_path / "weights.png"}"')
    before = task.actions(0.0)[0]
    for step in range(3):
        task.step(step)
    moved = (task.actions(0.0)[0] - before).abs().amax(1) > 1e-4
    x, _, side = task.canvas.tiles().T
    assert not moved[x + 1.25 * side < 40].any()
    assert moved[x > 40].all()


def test_all_randomness_follows_from_the_seed(paint: Callable[..., PaintingTask]) -> None:
    def final_actions(*settings: str) -> torch.Tensor:
        task = paint(*settings, "objective.look.shift=0.5")
        torch.rand(3)  # changes the state of the default generator
        for step in range(3):
            task.step(step)
        return task.log().actions

    assert torch.equal(final_actions(), final_actions())
    assert not torch.equal(final_actions(), final_actions("seed=6"))


def test_constraints_apply_to_the_picture_and_to_the_stroke_log(paint: Callable[..., PaintingTask]) -> None:
    task = paint('constraint.ink.type="grayscale"')
    rendered: list[torch.Tensor] = []
    forward = task.renderer.forward
    task.renderer.forward = lambda actions, place: rendered.append(actions) or forward(actions, place)  # type: ignore[func-returns-value, method-assign]
    task.step(0)
    for actions in (rendered[0], task.log().actions):
        torch.testing.assert_close(actions[:, 3], actions[:, 4])
        torch.testing.assert_close(actions[:, 3], actions[:, 5])
        assert not torch.allclose(actions[:, 3], actions[0, 3].expand(len(actions)))


@pytest.mark.parametrize("decay", ["none", "cosine"])
def test_the_learning_rate_warms_up_and_decays(paint: Callable[..., PaintingTask], decay: str) -> None:
    task = paint("steps=60", "optimizer.lr=0.4", "optimizer.warmup=4", f'optimizer.decay="{decay}"')
    rates = []
    for step in (0, 1, 2, 3, 4, 30, 59):
        task.step(step)
        (group,) = task.optimizer.param_groups
        rates.append(group["lr"])
    assert rates[:5] == sorted(rates[:5])
    assert rates[0] == pytest.approx(0.4 / 5, rel=0.02)
    assert rates[4] == pytest.approx(0.4, rel=0.02)
    if decay == "none":
        assert rates[5] == rates[6] == pytest.approx(0.4)
    else:
        assert rates[5] == pytest.approx(0.4 * (0.05 + 0.95 / 2), rel=0.02)
        assert rates[6] == pytest.approx(0.4 * 0.05, rel=0.1)


def test_the_stroke_log_renders_the_same_picture(paint: Callable[..., PaintingTask]) -> None:
    task = paint()
    for step in range(2):
        task.step(step)
    with torch.no_grad():
        picture = task.canvas.render(task.renderer, task.actions(1.0), task.scene.background, task.scene.seed)[0]
    painting = RenderedPainting(task.log(), task.renderer)
    torch.testing.assert_close(painting.to_tensor(), picture.clamp(0, 1))
    assert painting.size == (40, 24)


def test_a_painting_rendered_in_windows_is_the_same(
    paint: Callable[..., PaintingTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = paint()
    whole = RenderedPainting(task.log(), task.renderer, 2.0).to_tensor()
    monkeypatch.setattr("artkit.rendering.rendered_painting.WINDOW_SIDE", 30)
    torch.testing.assert_close(RenderedPainting(task.log(), task.renderer, 2.0).to_tensor(), whole)
    part = RenderedPainting(task.log(), task.renderer, 2.0).window(10, 5, 30, 20)
    torch.testing.assert_close(part, whole[:, 5:25, 10:40])
    part = RenderedPainting(task.log(), task.renderer, 2.0, region=Window(5, 2, 15, 10)).to_tensor()
    torch.testing.assert_close(part, whole[:, 4:24, 10:40])


def test_the_state_determines_all_later_steps(paint: Callable[..., PaintingTask]) -> None:
    task, other = paint("objective.look.shift=0.5"), paint("objective.look.shift=0.5")
    for step in range(4):
        task.step(step)
    other.load_state_dict(copy.deepcopy(task.state_dict()))
    assert [task.step(step) for step in range(4, 8)] == [other.step(step) for step in range(4, 8)]
    assert torch.equal(task.log().actions, other.log().actions)


def test_the_state_is_small(toy: Any, recipe_file: Write, tmp_path: Path) -> None:
    # Frozen networks are not part of it: they would be most of a checkpoint.
    Image.new("RGB", (40, 24)).save(tmp_path / "a.png")
    task = PaintingTask(
        read_recipe([recipe_file(TOY)], [f'objective.look={{type="content", target="{tmp_path / "a.png"}"}}']),
        torch.device("cpu"),
    )

    def count_values(state: Any) -> int:
        if isinstance(state, torch.Tensor):
            return state.numel()
        return sum(map(count_values, state.values())) if isinstance(state, dict) else 0

    assert count_values(task.state_dict()) < 100_000


def test_a_loss_that_is_not_finite_changes_nothing(paint: Callable[..., PaintingTask]) -> None:
    task = paint("objective.look.nan_from=0.5")
    task.step(0)
    before = task.log().actions
    with pytest.raises(Diverged, match="look"):
        task.step(11)
    assert torch.equal(task.log().actions, before)


def test_a_gradient_that_is_not_finite_changes_nothing(paint: Callable[..., PaintingTask]) -> None:
    task = paint()
    before = task.log().actions
    for parameter in task.agent.parameters():
        parameter.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(Diverged, match="gradient"):
        task.step(0)
    assert torch.equal(task.log().actions, before)


def test_a_background_of_the_targets_colour(toy: Any, recipe_file: Write, tmp_path: Path) -> None:
    Image.new("RGB", (40, 24), (255, 51, 0)).save(tmp_path / "a.png")
    file = recipe_file(TOY.replace("[1.0, 0.5, 0.25]", '"target"'))
    with pytest.raises(UsageError, match="background"):
        PaintingTask(read_recipe([file]), torch.device("cpu"))
    objective = f'objective.see={{type="content", target="{tmp_path / "a.png"}"}}'
    task = PaintingTask(read_recipe([file], [objective]), torch.device("cpu"))
    assert task.log().background == pytest.approx((1.0, 0.2, 0.0))


def test_a_renderer_that_is_not_differentiable_is_refused(
    toy: Any, paint: Callable[..., PaintingTask], monkeypatch: Any
) -> None:
    monkeypatch.setattr(toy.Blob, "differentiable", False)
    with pytest.raises(UsageError, match=r"toy-blob.*cannot paint a new picture") as caught:
        paint()
    assert "surrogate" in caught.value.hint


def test_a_step_that_does_not_fit_into_memory_is_refused(paint: Callable[..., PaintingTask]) -> None:
    with pytest.raises(UsageError) as caught:
        paint("size=[4000,4000]", "canvas.tile=64", "canvas.overlap=60", "canvas.strokes=100")
    assert "GB" in caught.value.message
    assert caught.value.hint


# ---------------------------------------------------------------------------------------------- views, places, scenes
def test_a_view_caches(toy_module: Any) -> None:
    view = View(torch.zeros(1, 3, 4, 4), None, Window(0, 0, 4, 4), 0.5)
    calls: list[int] = []

    def make() -> int:
        calls.append(len(calls))
        return calls[-1]

    other = view.with_target(torch.ones(1, 3, 4, 4))
    assert (view.cached("a", make), other.cached("a", make), view.cached(("a", 1), make)) == (0, 0, 1)
    assert calls == [0, 1]
    assert view.target is None
    assert other.image is view.image


def test_the_patch_size_of_a_place() -> None:
    assert Place(torch.zeros(1, 2), 10, 3, torch.zeros(1), (4, 4), 0).patch_size == 16


def test_names_and_indices_of_an_action_space() -> None:
    space = ActionSpace("s", (Dimension("a"), Dimension("b", "px", 0, 9)))
    assert (len(space), space.names, space.index("b", "a")) == (2, ("a", "b"), [1, 0])
    assert space.has("a", "b")
    assert not space.has("a", "c")
    with pytest.raises(KeyError):
        space.index("c")


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", "", "cpu:x"])
def test_an_unavailable_device_is_refused(device: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_device(device)
    assert f'"{device}"' in caught.value.message
    assert "doctor" in caught.value.hint


def test_available_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_scene_of_a_recipe(toy: Any, recipe_file: Write) -> None:
    scene = scene_from_recipe(read_recipe([recipe_file(TOY)]), torch.device("cpu"))
    assert (scene.size, scene.seed, scene.background.tolist()) == ((40, 24), 5, [1.0, 0.5, 0.25])
    assert scene.generator.initial_seed() == 5
    assert isinstance(scene.make("renderer", "toy-blob", reach=0.5), toy.Blob)
