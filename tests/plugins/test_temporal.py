"""The temporal objective: the difference to the previous frame where it was visible."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from artkit import PreviousFrame, Scene, View, Window

SIZE = (12, 8)


@pytest.mark.parametrize(("norm", "value"), [("l1", 0.1), ("l2", 0.02)])
def test_is_the_mean_difference_where_the_scene_was_visible(
    scene: Callable[..., Scene], norm: str, value: float
) -> None:
    picture, visible = torch.full((1, 3, 8, 12), 0.3), torch.zeros(1, 1, 8, 12)
    visible[..., :6] = 1
    image = torch.full((1, 3, 8, 12), 0.5, requires_grad=True)
    view = View(image, None, Window(0, 0, *SIZE), 1.0, previous=PreviousFrame(picture, visible))
    loss = scene(SIZE).make("objective", "temporal", norm=norm)(view)
    assert loss.tolist() == pytest.approx([value])
    (gradient,) = torch.autograd.grad(loss.sum(), image)
    assert (gradient[..., :6] > 0).all()
    assert (gradient[..., 6:] == 0).all()


def test_is_zero_without_a_previous_frame(scene: Callable[..., Scene]) -> None:
    image = torch.rand(2, 3, 8, 12, requires_grad=True)
    loss = scene(SIZE).make("objective", "temporal")(View(image, None, Window(0, 0, *SIZE), 1.0))
    assert loss.tolist() == [0, 0]
    loss.sum().backward()
