"""The constraint `grayscale`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from artkit import ActionSpace, Dimension, Scene, UsageError
from artkit_constraints.grayscale import Grayscale
from artkit_mypaint.action_spaces import SHAPE_SIZE


@pytest.fixture
def grayscale(scene: Callable[..., Scene]) -> Grayscale:
    new_scene = scene()
    new_scene.renderer = new_scene.make("renderer", "gan")
    constraint: Grayscale = new_scene.make("constraint", "grayscale")
    return constraint


def test_colours_are_replaced_by_their_luma(grayscale: Grayscale, random_actions: Callable[..., Tensor]) -> None:
    actions = random_actions(20)[None].requires_grad_()
    constrained = grayscale(actions, 0.5)
    assert constrained.shape == actions.shape
    assert torch.equal(constrained[..., :SHAPE_SIZE], actions[..., :SHAPE_SIZE])
    luma = actions[..., SHAPE_SIZE:] @ torch.tensor([0.299, 0.587, 0.114])
    for channel in range(SHAPE_SIZE, 12):
        torch.testing.assert_close(constrained[..., channel], luma)
    assert constrained.min() >= 0
    assert constrained.max() <= 1
    constrained.sum().backward()
    assert actions.grad is not None
    assert (actions.grad[..., SHAPE_SIZE:] > 0).all()


def test_grey_colours_are_unchanged(grayscale: Grayscale, random_actions: Callable[..., Tensor]) -> None:
    grey = grayscale(random_actions(5)[None], 0.0)
    torch.testing.assert_close(grayscale(grey, 1.0), grey)
    black_and_white = random_actions(2)[None]
    black_and_white[:, 0, SHAPE_SIZE:], black_and_white[:, 1, SHAPE_SIZE:] = 0.0, 1.0
    torch.testing.assert_close(grayscale(black_and_white, 0.0), black_and_white)


def test_input_is_not_modified(grayscale: Grayscale, random_actions: Callable[..., Tensor]) -> None:
    actions = random_actions(5)[None]
    before = actions.clone()
    grayscale(actions, 0.0)
    assert torch.equal(actions, before)


def test_action_spaces_without_colour_are_rejected(scene: Callable[..., Scene]) -> None:
    new_scene = scene()
    renderer = new_scene.make("renderer", "gan")
    renderer.space = ActionSpace("pencil-1", (Dimension("start_x"),))
    new_scene.renderer = renderer
    with pytest.raises(UsageError, match="grayscale needs strokes with a colour"):
        new_scene.make("constraint", "grayscale")
