"""A critic learns to tell paintings from their targets, and paintings that follow it come nearer."""

from __future__ import annotations

import pytest
import torch

from artkit.errors import UsageError
from artkit.geometry.window import Window
from artkit.interfaces.view import View
from artkit.testing import check_objective, scene
from artkit.testing.scene import Waves

SMALL = {"view": 16, "channels": 4}


def test_it_is_an_objective() -> None:
    check_objective("adversarial", SMALL, scene=lambda: scene(data=Waves))


def test_it_needs_pictures_to_learn_from() -> None:
    with pytest.raises(UsageError, match="pictures to learn from"):
        scene().make("objective", "adversarial")


def view(image: torch.Tensor, target: torch.Tensor) -> View:
    return View(image, target, Window(0, 0, 16, 16), 0.5)


def test_its_value_grows_with_what_is_wrong_and_is_bounded_by_it() -> None:
    """The critic learns that paler pictures are no targets. A distance of root mean squares nearly bounds its value."""
    made = scene((16, 16), data=Waves)
    assert made.data is not None
    target = made.data.images(torch.arange(8))
    objective = made.make("objective", "adversarial", **SMALL, lr=3e-3, critic_steps=5)

    def off_by(share: float) -> View:
        return view(target + share * (0.5 - target), target)

    off = (off_by(0.4).image - target).square().mean().sqrt()
    assert objective(off_by(0.4)).mean().abs() < 0.2 * off
    for _ in range(50):
        objective.training_step(off_by(0.4))
    little, much = (objective(off_by(share)).mean() for share in (0.1, 0.4))
    assert 0 < little < much
    assert 0.4 * off < much < 1.2 * off
    assert objective(view(target, target)).abs().max() < 1e-6


def test_its_gradient_leads_to_the_target() -> None:
    made = scene((16, 16), data=Waves)
    assert made.data is not None
    target = made.data.images(torch.arange(8))
    grey = torch.full_like(target, 0.5)
    objective = made.make("objective", "adversarial", **SMALL, lr=3e-3, critic_steps=5)
    for _ in range(30):
        objective.training_step(view(grey, target))
    painted = grey.clone().requires_grad_()
    objective(view(painted, target)).sum().backward()
    assert painted.grad is not None
    assert torch.nn.functional.cosine_similarity(-painted.grad.flatten(1), (target - grey).flatten(1)).mean() > 0.3
    assert all(parameter.grad is None or not parameter.requires_grad for parameter in objective.parameters())
