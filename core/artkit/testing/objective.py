"""Checks of objectives."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from artkit.geometry.window import Window
from artkit.interfaces.objective import Objective
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit.testing.common import (
    Bench,
    SceneMaker,
    Settings,
    expect,
    expect_same,
    expect_slope,
    expect_tensor,
    expect_unit,
    through_a_file,
    untouched_generators,
)
from artkit.testing.scene import picture

PROGRESS = 0.4


def check_objective(
    part: str | type[Objective],
    settings: Settings | None = None,
    *,
    exact_gradient: bool = True,
    scene: SceneMaker | None = None,
) -> None:
    """Check an objective, by name or class. Raises Faults with everything that is wrong.

    settings: as a recipe would say them. exact_gradient: whether its gradient is that of its value; False for one that
    shapes it. scene: makes the scene it is built for, with a renderer and a canvas; its size is that of the pictures.
    """
    checks = [values, target, pictures, untouched, determinism, windows, state]
    Bench("objective", part, settings, scene).run([*checks, *([gradient] if exact_gradient else [])])


def values(bench: Bench) -> None:
    """It gives a number a picture, from the first step to the last."""
    objective, made = bench.fresh()
    for count in (1, 2):
        for progress in (0.0, PROGRESS, 1.0):
            images = _images(made, count)
            expect_tensor(objective(_view(objective, images, made, progress)), (count,), images, "its value")


def target(bench: Bench) -> None:
    """The picture to paint, if it has one, has the size of the painting."""
    objective, made = bench.fresh()
    if objective.target is not None:
        width, height = made.size
        pixels = objective.target.pixels
        expect_tensor(pixels, (1, 3, height, width), made.background, "its target")
        expect_unit(pixels, "its target")


def pictures(bench: Bench) -> None:
    """Several pictures at once have the values that each has by itself."""
    objective, made = bench.fresh()
    look, images = _fixed(objective, made), _images(made, 2)
    both = look(images).detach()
    for number in range(2):
        one = look(images[number : number + 1], first=number).detach()
        expect_same(one[0], both[number], "the value of a picture depends on the pictures beside it", 1e-3)


def untouched(bench: Bench) -> None:
    """The picture that it looks at stays as it is, and learning sends it no gradient."""
    objective, made = bench.fresh()
    images = _images(made, 1)
    before = images.clone()
    view = _view(objective, images.requires_grad_(), made)
    objective(view)
    objective.training_step(view)
    expect_same(images.detach(), before, "it changes the picture in place", 0.0)
    expect(images.grad is None, "learn sends a gradient to the picture; use view.image.detach()")


def determinism(bench: Bench) -> None:
    """The same seed gives the same values, and nothing is drawn from torch's own generator."""

    def course() -> Tensor:
        objective, made = bench.fresh()
        found = []
        with untouched_generators():
            for step in range(3):
                view = _view(objective, _images(made, 1), made, step / 2)
                found.append(objective(view).detach())
                objective.training_step(view)
        return torch.cat(found)

    first = course()
    torch.rand(3)
    expect_same(course(), first, "built again from the same seed it gives other values", 1e-6)


def windows(bench: Bench) -> None:
    """It can look at a window of the picture."""
    objective, made = bench.fresh()
    width, height = made.size
    window = Window(4, 3, width * 3 // 4, height * 3 // 4)
    images = _images(made, 1)
    view = _view(objective, images[:, :, 3 : 3 + window.height, 4 : 4 + window.width], made, PROGRESS, window)
    expect_tensor(objective(view), (1,), images, "its value for a window")


def gradient(bench: Bench) -> None:
    """The gradient towards the picture is what finite differences say."""
    objective, made = bench.fresh()
    look = _fixed(objective, made)
    images = _images(made, 1)
    leaf, strokes = images.clone().requires_grad_(), _proposed(made, 1).requires_grad_()
    told = look(leaf, strokes)
    expect(told.requires_grad, "no gradient reaches the picture")
    slope, of_strokes = torch.autograd.grad(told.sum(), (leaf, strokes), allow_unused=True)
    if slope is None and of_strokes is not None:  # it looks at the strokes instead
        expect_slope(lambda at: look(images, at), strokes, {"the gradient": of_strokes / of_strokes.abs().max()}, 1e-3)
        return
    expect(slope is not None and bool(slope.abs().sum() > 0), "no gradient reaches the picture")
    assert slope is not None
    expect(bool(slope.isfinite().all()), "the gradient holds numbers that are not finite")
    # Most of what can be told from rounding lies along the gradient itself; where it is missing, only a change shows.
    uphill = slope / slope.abs().max()
    height, width = uphill.shape[-2:]
    ways = {"the gradient": uphill, "more light": torch.ones_like(uphill)}
    for name, rows, columns in (("left", height, width // 2), ("upper", height // 2, width)):
        part = torch.zeros_like(uphill)
        part[..., :rows, :columns] = 1
        ways |= {f"the gradient in the {name} half": uphill * part, f"more light in the {name} half": part}
    expect_slope(look, images, ways, 2e-4)


def state(bench: Bench) -> None:
    """What a checkpoint keeps of it is all that later steps depend on."""
    objective, made = bench.fresh()
    for step in range(3):
        view = _view(objective, _images(made, 1, step), made)
        objective(view)
        objective.training_step(view)
    other, its_scene = bench.fresh()
    other.load_state_dict(through_a_file(objective.state_dict()))
    its_scene.generator.set_state(made.generator.get_state())
    for step in range(2):
        images = _images(made, 1, 7 + step)
        views = _view(objective, images, made), _view(other, images, its_scene)
        fault = "restored from its state it gives other values than had it never stopped"
        expect_same(other(views[1]).detach(), objective(views[0]).detach(), fault, 1e-5)
        objective.training_step(views[0])
        other.training_step(views[1])


# ------------------------------------------------------------------------------------------------------- material
def _images(made: Scene, count: int, number: int = 0) -> Tensor:
    return torch.cat([picture(made.size, 1 + number + c) for c in range(count)]).to(made.device)


def _view(
    objective: Objective,
    images: Tensor,
    made: Scene,
    progress: float = PROGRESS,
    window: Window | None = None,
    strokes: Tensor | None = None,
    first: int = 0,
) -> View:
    window = window or Window(0, 0, *made.size)
    numbers = torch.arange(first, first + len(images))
    target = objective.target.window(window) if objective.target else None
    if made.data is not None and target is None:
        shown = made.data.images(numbers)
        target = shown[..., window.y : window.y + window.height, window.x : window.x + window.width]
    strokes = _proposed(made, len(images)) if strokes is None else strokes
    labels = made.data.labels(numbers) if made.data is not None else None
    return View(images, target, window, progress, strokes, strokes, labels)


def _proposed(made: Scene, count: int) -> Tensor:
    """Actions (count, N, A) as an agent might propose them."""
    assert made.renderer is not None
    shape = (1, made.action_count, len(made.renderer.space))
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)).repeat(count, 1, 1).to(made.device)


def _fixed(objective: Objective, made: Scene) -> Callable[..., Tensor]:
    """The values of pictures, with the same state and the same randomness each time."""
    tensors = copy.deepcopy(objective.state_dict())
    drawn = made.generator.get_state()

    def look(images: Tensor, strokes: Tensor | None = None, first: int = 0) -> Tensor:
        objective.load_state_dict(tensors)
        made.generator.set_state(drawn)
        found: Tensor = objective(_view(objective, images, made, strokes=strokes, first=first))
        return found

    return look
