"""The total-variation objective, of strokes and of pixels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from artkit.errors import UsageError
from artkit.geometry.window import Window
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit_mypaint.action_spaces import STROKE_SPACE
from artkit_vision.total_variation import TotalVariation

SIZE = (32, 24)


@pytest.fixture
def stroke_scene(scene: Callable[..., Scene]) -> Scene:
    built = scene(SIZE)
    built.renderer = built.make("renderer", "gan")
    return built


def view(image: Tensor, actions: Tensor | None) -> View:
    return View(image, None, Window(0, 0, *SIZE), 0.0, actions)


def test_equal_strokes_have_no_variation(stroke_scene: Scene) -> None:
    objective = TotalVariation(TotalVariation.Config(), stroke_scene)
    image = torch.rand(2, 3, 24, 32)
    actions = torch.rand(2, 1, 12).repeat(1, 5, 1)
    assert objective(view(image, actions)).tolist() == [0, 0]
    actions[0, 2, STROKE_SPACE.index("size")] += 0.6
    actions[1, :, STROKE_SPACE.index("start_x")] += torch.rand(5, 1)  # positions are not compared by default
    assert objective(view(image, actions)).tolist() == pytest.approx([2 * 0.6 / (4 * 6), 0], abs=1e-6)
    assert objective(view(image, actions[:, :1])).tolist() == [0, 0]


def test_the_variation_of_a_picture_is_the_height_of_its_steps(stroke_scene: Scene) -> None:
    objective = TotalVariation(TotalVariation.Config(of="picture"), stroke_scene)
    image = torch.zeros(1, 3, 24, 32)
    assert float(objective(view(image, None))) == 0
    image[..., 16:] = 0.5
    assert float(objective(view(image, None))) == pytest.approx(0.5 / 31)


def test_only_the_named_dimensions_get_a_gradient(stroke_scene: Scene) -> None:
    objective = TotalVariation(TotalVariation.Config(numbers=("size",)), stroke_scene)
    actions = torch.rand(1, 6, 12, generator=torch.Generator().manual_seed(1)).requires_grad_()
    (gradient,) = torch.autograd.grad(objective(view(torch.zeros(1, 3, 24, 32), actions)).sum(), actions)
    size = STROKE_SPACE.index("size")
    assert gradient[..., size].abs().sum() > 0
    gradient[..., size] = 0
    assert gradient.abs().sum() == 0


def test_unknown_dimensions_and_windows_are_errors(stroke_scene: Scene) -> None:
    with pytest.raises(UsageError, match="no colour"):
        TotalVariation(TotalVariation.Config(numbers=("size", "colour")), stroke_scene)
    objective = TotalVariation(TotalVariation.Config(), stroke_scene)
    with pytest.raises(UsageError, match="windows"):
        objective(view(torch.zeros(1, 3, 24, 32), None))
