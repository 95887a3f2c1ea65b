"""Strokes without colour."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from artkit.errors import UsageError
from artkit.interfaces.scene import Scene
from artkit.strokes.action_space import ActionSpace, Dimension
from artkit_constraints.grayscale import Grayscale
from artkit_mypaint.action_spaces import SHAPE_SIZE


@pytest.fixture
def grayscale(scene: Callable[..., Scene]) -> Grayscale:
    made = scene()
    made.renderer = made.make("renderer", "gan")
    constraint: Grayscale = made.make("constraint", "grayscale")
    return constraint


def test_colours_become_their_luma(grayscale: Grayscale, random_actions: Callable[..., Tensor]) -> None:
    actions = random_actions(20)[None].requires_grad_()
    grey = grayscale(actions, 0.5)
    assert grey.shape == actions.shape
    assert torch.equal(grey[..., :SHAPE_SIZE], actions[..., :SHAPE_SIZE])
    luma = actions[..., SHAPE_SIZE:] @ torch.tensor([0.299, 0.587, 0.114])
    for channel in range(SHAPE_SIZE, 12):
        torch.testing.assert_close(grey[..., channel], luma)
    assert grey.min() >= 0
    assert grey.max() <= 1
    grey.sum().backward()
    assert actions.grad is not None
    assert (actions.grad[..., SHAPE_SIZE:] > 0).all()


def test_grey_stays_as_it_is(grayscale: Grayscale, random_actions: Callable[..., Tensor]) -> None:
    once = grayscale(random_actions(5)[None], 0.0)
    torch.testing.assert_close(grayscale(once, 1.0), once)
    ends = random_actions(2)[None]
    ends[:, 0, SHAPE_SIZE:], ends[:, 1, SHAPE_SIZE:] = 0.0, 1.0
    torch.testing.assert_close(grayscale(ends, 0.0), ends)


def test_what_was_given_is_not_changed(grayscale: Grayscale, random_actions: Callable[..., Tensor]) -> None:
    actions = random_actions(5)[None]
    before = actions.clone()
    grayscale(actions, 0.0)
    assert torch.equal(actions, before)


def test_strokes_without_colour_are_refused(scene: Callable[..., Scene]) -> None:
    made = scene()
    renderer = made.make("renderer", "gan")
    renderer.space = ActionSpace("pencil-1", (Dimension("start_x"),))
    made.renderer = renderer
    with pytest.raises(UsageError, match="grayscale needs strokes that have a colour"):
        made.make("constraint", "grayscale")
