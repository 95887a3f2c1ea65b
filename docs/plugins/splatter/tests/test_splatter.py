"""Tests of the renderer `splatter`: the interface, and the shape of a throw."""

import pytest
import torch
from artkit import Place
from artkit.testing import check_renderer, scene
from artkit_splatter.splatter import Splatter
from torch import Tensor


@pytest.mark.parametrize("settings", [{}, {"drops": 0}, {"drops": 30, "scatter": 1.0, "softness": 0.3}])
def test_is_a_renderer(settings: dict[str, float]) -> None:
    check_renderer(Splatter, settings)


def render_throw(stroke_index: int = 0, **settings: float) -> Tensor:
    """Return the coverage (40, 40) of a throw from the middle to the right."""
    renderer = scene().make("renderer", Splatter, **settings)
    action = torch.tensor([[0.5, 0.5, 1.0, 0.5, 0.3, 0.0, 0.0, 0.0]])
    place = Place(torch.zeros(1, 2), 40, 0, torch.tensor([stroke_index]), (40, 40), 0)
    coverage: Tensor = renderer(action, place).coverage
    return coverage[0, 0]


def test_drops_fly_in_the_direction_of_the_throw() -> None:
    drops = render_throw() - render_throw(drops=0)
    assert drops[:, 24:].sum() > 3
    assert drops[:, :14].abs().max() < 1e-3


def test_every_throw_is_different() -> None:
    assert (render_throw(0) - render_throw(1)).abs().max() > 0.3
