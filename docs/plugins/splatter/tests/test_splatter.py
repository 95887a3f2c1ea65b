"""The renderer keeps to the interface, and throws paint."""

from artkit import Place
import pytest
import torch
from artkit.testing import check_renderer, scene
from artkit_splatter.splatter import Splatter
from torch import Tensor


@pytest.mark.parametrize("settings", [{}, {"drops": 0}, {"drops": 30, "scatter": 1.0, "softness": 0.3}])
def test_it_is_a_renderer(settings: dict[str, float]) -> None:
    check_renderer(Splatter, settings)


def thrown(number: int = 0, **settings: float) -> Tensor:
    """Coverage (40, 40) of a throw to the right, from the middle."""
    renderer = scene().make("renderer", Splatter, **settings)
    action = torch.tensor([[0.5, 0.5, 1.0, 0.5, 0.3, 0.0, 0.0, 0.0]])
    place = Place(torch.zeros(1, 2), 40, 0, torch.tensor([number]), (40, 40), 0)
    coverage: Tensor = renderer(action, place).coverage
    return coverage[0, 0]


def test_drops_fly_on_in_the_direction_of_the_throw() -> None:
    more = thrown() - thrown(drops=0)
    assert more[:, 24:].sum() > 3
    assert more[:, :14].abs().max() < 1e-3


def test_no_throw_is_like_another() -> None:
    assert (thrown(0) - thrown(1)).abs().max() > 0.3
