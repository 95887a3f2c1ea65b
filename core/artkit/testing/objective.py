"""Checks of objectives."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from artkit.devices import to_device
from artkit.geometry.window import Window
from artkit.interfaces.objective import Objective
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import PreviousFrame, View
from artkit.testing.assertions import (
    checkpoint_round_trip,
    expect,
    expect_close,
    expect_gradient,
    expect_tensor,
    expect_unit_range,
    generators_unused,
)
from artkit.testing.gpu_checks import Step, expect_same_on_gpu
from artkit.testing.harness import Harness, SceneFactory, Settings
from artkit.testing.scene import picture

PROGRESS = 0.4


def check_objective(
    component: str | type[Objective],
    settings: Settings | None = None,
    *,
    exact_gradient: bool = True,
    synchronises: bool = False,
    scene: SceneFactory | None = None,
) -> None:
    """Check an objective, by name or class. Raises CheckFailures with all checks that fail.

    settings: as in a recipe. exact_gradient: False if it modifies its gradient on purpose. synchronises: True if it
    waits for the GPU in each step on purpose. scene: makes the scene it is built for, with a renderer and a canvas; the
    pictures have its size.
    """

    def device(harness: Harness) -> None:
        expect_same_on_gpu(lambda: _step(harness), synchronises)

    checks = [values, target, batch, inputs_unchanged, determinism, windows, state, device]
    Harness("objective", component, settings, scene).run([*checks, *([gradient] if exact_gradient else [])])


def values(harness: Harness) -> None:
    """It returns one finite value a picture, (n,), at any progress."""
    objective, scene = harness.build()
    for count in (1, 2):
        for progress in (0.0, PROGRESS, 1.0):
            images = _images(scene, count)
            expect_tensor(objective(_view(objective, images, scene, progress)), (count,), images, "its value")


def target(harness: Harness) -> None:
    """Its target, if it has one, has the size of the picture."""
    objective, scene = harness.build()
    if objective.target is not None:
        width, height = scene.size
        pixels = objective.target.pixels
        expect_tensor(pixels, (1, 3, height, width), scene.background, "its target")
        expect_unit_range(pixels, "its target")


def batch(harness: Harness) -> None:
    """The value of a picture does not depend on the other pictures of the batch."""
    objective, scene = harness.build()
    evaluate, images = _pure_function(objective, scene), _images(scene, 2)
    both = evaluate(images).detach()
    for index in range(2):
        single = evaluate(images[index : index + 1], first=index).detach()
        expect_close(single[0], both[index], "the value of a picture depends on the other pictures of the batch", 1e-3)


def inputs_unchanged(harness: Harness) -> None:
    """It does not change the picture in place, and `training_step` sends it no gradient."""
    objective, scene = harness.build()
    images = _images(scene, 1)
    before = images.clone()
    view = _view(objective, images.requires_grad_(), scene)
    objective(view)
    objective.training_step(view)
    expect_close(images.detach(), before, "it changes the picture in place", 0.0)
    expect(images.grad is None, "training_step sends a gradient to the picture; use view.image.detach()")


def determinism(harness: Harness) -> None:
    """The same seed gives the same values; torch's default generator is not used."""

    def run() -> Tensor:
        objective, scene = harness.build()
        values = []
        with generators_unused():
            for step in range(3):
                view = _view(objective, _images(scene, 1), scene, step / 2)
                values.append(objective(view).detach())
                objective.training_step(view)
        return torch.cat(values)

    first = run()
    torch.rand(3)
    expect_close(run(), first, "the same seed gives other values", 1e-6)


def windows(harness: Harness) -> None:
    """It scores a window of the picture."""
    objective, scene = harness.build()
    width, height = scene.size
    window = Window(4, 3, width * 3 // 4, height * 3 // 4)
    images = _images(scene, 1)
    view = _view(objective, images[:, :, 3 : 3 + window.height, 4 : 4 + window.width], scene, PROGRESS, window)
    expect_tensor(objective(view), (1,), images, "its value for a window")


def gradient(harness: Harness) -> None:
    """The gradient with respect to the picture, or to the actions, agrees with finite differences."""
    objective, scene = harness.build()
    evaluate = _pure_function(objective, scene)
    images = _images(scene, 1)
    leaf, actions = images.clone().requires_grad_(), _actions(scene, 1).requires_grad_()
    values = evaluate(leaf, actions)
    expect(values.requires_grad, "no gradient reaches the picture")
    gradient, action_gradient = torch.autograd.grad(values.sum(), (leaf, actions), allow_unused=True)
    if gradient is None and action_gradient is not None:  # it scores the actions instead of the picture
        directions = {"the gradient": action_gradient / action_gradient.abs().max()}
        expect_gradient(lambda point: evaluate(images, point), actions, directions, 1e-3)
        return
    expect(gradient is not None and bool(gradient.abs().sum() > 0), "no gradient reaches the picture")
    assert gradient is not None
    expect(bool(gradient.isfinite().all()), "not all values of the gradient are finite")
    expect_gradient(evaluate, images, _picture_directions(gradient), 2e-4)


def _picture_directions(gradient: Tensor) -> dict[str, Tensor]:
    """Return directions along the gradient, where differences are large, and brightness, where it may be missing."""
    ascent = gradient / gradient.abs().max()
    height, width = ascent.shape[-2:]
    directions = {"the gradient": ascent, "brightness": torch.ones_like(ascent)}
    for name, rows, columns in (("left", height, width // 2), ("upper", height // 2, width)):
        mask = torch.zeros_like(ascent)
        mask[..., :rows, :columns] = 1
        directions |= {f"the gradient in the {name} half": ascent * mask, f"brightness in the {name} half": mask}
    return directions


def state(harness: Harness) -> None:
    """Restored from a checkpoint it continues as without interruption."""
    objective, scene = harness.build()
    for step in range(3):
        view = _view(objective, _images(scene, 1, step), scene)
        objective(view)
        objective.training_step(view)
    other, other_scene = harness.build()
    other.load_state_dict(checkpoint_round_trip(objective.state_dict()))
    other_scene.generator.set_state(scene.generator.get_state())
    for step in range(2):
        images = _images(scene, 1, 7 + step)
        view, other_view = _view(objective, images, scene), _view(other, images, other_scene)
        actual, expected = other(other_view).detach(), objective(view).detach()
        expect_close(actual, expected, "restored from its state it gives other values than uninterrupted", 1e-5)
        objective.training_step(view)
        other.training_step(other_view)


def _step(harness: Harness) -> tuple[Scene, Step]:
    """Return the scene of an objective, and a step that scores a picture and computes the gradients."""
    objective, scene = harness.build()
    images, actions = _images(scene, 1), _actions(scene, 1)

    def step() -> dict[str, Tensor | None]:
        leaves = images.clone().requires_grad_(), actions.clone().requires_grad_()
        view = _view(objective, leaves[0], scene, actions=leaves[1])
        value = objective(view)
        gradient, action_gradient = torch.autograd.grad(value.sum(), leaves, allow_unused=True)
        objective.training_step(view)
        return {"the value": value, "the gradient of the picture": gradient, "that of the actions": action_gradient}

    return scene, step


def _images(scene: Scene, count: int, number: int = 0) -> Tensor:
    return torch.cat([picture(scene.size, 1 + number + c) for c in range(count)]).to(scene.device)


def _view(
    objective: Objective,
    images: Tensor,
    scene: Scene,
    progress: float = PROGRESS,
    window: Window | None = None,
    actions: Tensor | None = None,
    first: int = 0,
) -> View:
    """Return the view of images (n, 3, h, w); first: the data set's index of the first image's target."""
    window = window or Window(0, 0, *scene.size)
    indices = torch.arange(first, first + len(images))
    target = objective.target.window(window) if objective.target else None
    if scene.data is not None and target is None:
        whole = scene.data.images(indices)
        target = whole[..., window.y : window.y + window.height, window.x : window.x + window.width]
    actions = _actions(scene, len(images)) if actions is None else actions
    labels = scene.data.labels(indices) if scene.data is not None else None
    x, y = window.x, window.y
    before = to_device(picture(scene.size, 99), scene.device)[..., y : y + window.height, x : x + window.width]
    previous = PreviousFrame(before, torch.ones_like(before[:, :1]))  # as in a film
    return View(images, target, window, progress, actions, actions, labels, previous)


def _actions(scene: Scene, count: int) -> Tensor:
    """Return random actions (count, N, A), the same for each picture."""
    assert scene.renderer is not None
    shape = (1, scene.action_count, len(scene.renderer.space))
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)).repeat(count, 1, 1).to(scene.device)


def _pure_function(objective: Objective, scene: Scene) -> Callable[..., Tensor]:
    """Return the objective as a function of images, with the same state and random numbers in each call."""
    state = copy.deepcopy(objective.state_dict())
    generator_state = scene.generator.get_state()

    def evaluate(images: Tensor, actions: Tensor | None = None, first: int = 0) -> Tensor:
        objective.load_state_dict(state)
        scene.generator.set_state(generator_state)
        values: Tensor = objective(_view(objective, images, scene, actions=actions, first=first))
        return values

    return evaluate
