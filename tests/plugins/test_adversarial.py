"""The adversarial objective: training of its critic, and the gradient that a painting gets from it."""

from __future__ import annotations

import pytest
import torch

from artkit import testing
from artkit.errors import UsageError
from artkit.geometry.window import Window
from artkit.interfaces.view import View
from artkit.testing.scene import Waves

SMALL = {"view": 16, "channels": 4}


def test_it_is_an_objective() -> None:
    testing.check_objective("adversarial", SMALL, scene=lambda: testing.scene(data=Waves))


def test_it_needs_data() -> None:
    with pytest.raises(UsageError, match="needs images to train with"):
        testing.scene().make("objective", "adversarial")


def view(image: torch.Tensor, target: torch.Tensor) -> View:
    return View(image, target, Window(0, 0, 16, 16), 0.5)


def test_value_grows_with_the_error_and_is_bounded_by_it() -> None:
    """The critic learns that images of lower contrast are not targets. The RMS error approximately bounds its value."""
    torch.manual_seed(0)  # the critic starts with random weights
    scene = testing.scene((16, 16), data=Waves)
    assert scene.data is not None
    target = scene.data.images(torch.arange(8))
    objective = scene.make("objective", "adversarial", **SMALL, lr=3e-3, critic_steps=5)

    def low_contrast(amount: float) -> View:
        return view(target + amount * (0.5 - target), target)

    error = (low_contrast(0.4).image - target).square().mean().sqrt()
    assert objective(low_contrast(0.4)).mean().abs() < 0.2 * error
    for _ in range(50):
        objective.training_step(low_contrast(0.4))
    small, large = (objective(low_contrast(amount)).mean() for amount in (0.1, 0.4))
    assert 0 < small < large
    assert 0.4 * error < large < 1.2 * error
    assert objective(view(target, target)).abs().max() < 1e-6


def test_gradient_points_to_the_target() -> None:
    scene = testing.scene((16, 16), data=Waves)
    assert scene.data is not None
    target = scene.data.images(torch.arange(8))
    grey = torch.full_like(target, 0.5)
    objective = scene.make("objective", "adversarial", **SMALL, lr=3e-3, critic_steps=5)
    for _ in range(30):
        objective.training_step(view(grey, target))
    painted = grey.clone().requires_grad_()
    objective(view(painted, target)).sum().backward()
    assert painted.grad is not None
    assert torch.nn.functional.cosine_similarity(-painted.grad.flatten(1), (target - grey).flatten(1)).mean() > 0.3
    assert all(parameter.grad is None or not parameter.requires_grad for parameter in objective.parameters())
