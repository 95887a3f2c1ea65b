"""Strokes without colour."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from artkit.errors import UsageError
from artkit.part import Scene
from artkit.space import ActionSpace, Number
from artkit_constraints.grayscale import Grayscale
from artkit_painters import stroke


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
    assert torch.equal(grey[..., : stroke.SHAPE], actions[..., : stroke.SHAPE])
    luma = actions[..., stroke.SHAPE :] @ torch.tensor([0.299, 0.587, 0.114])
    for channel in range(stroke.SHAPE, 12):
        torch.testing.assert_close(grey[..., channel], luma)
    assert grey.min() >= 0
    assert grey.max() <= 1
    grey.sum().backward()
    assert actions.grad is not None
    assert (actions.grad[..., stroke.SHAPE :] > 0).all()


def test_grey_stays_as_it_is(grayscale: Grayscale, random_actions: Callable[..., Tensor]) -> None:
    once = grayscale(random_actions(5)[None], 0.0)
    torch.testing.assert_close(grayscale(once, 1.0), once)
    ends = random_actions(2)[None]
    ends[:, 0, stroke.SHAPE :], ends[:, 1, stroke.SHAPE :] = 0.0, 1.0
    torch.testing.assert_close(grayscale(ends, 0.0), ends)


def test_what_was_given_is_not_changed(grayscale: Grayscale, random_actions: Callable[..., Tensor]) -> None:
    actions = random_actions(5)[None]
    before = actions.clone()
    grayscale(actions, 0.0)
    assert torch.equal(actions, before)


def test_strokes_without_colour_are_refused(scene: Callable[..., Scene]) -> None:
    made = scene()
    renderer = made.make("renderer", "gan")
    renderer.space = ActionSpace("pencil-1", (Number("start_x"),))
    made.renderer = renderer
    with pytest.raises(UsageError, match="grayscale needs strokes that have a colour"):
        made.make("constraint", "grayscale")
