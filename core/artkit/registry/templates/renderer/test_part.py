"""The renderer keeps to the interface, and draws dots."""

from artkit import Place
import torch
from newplugin.newpart import NewPart

from artkit.testing import check_renderer, scene


def test_it_is_a_renderer() -> None:
    check_renderer(NewPart)


def test_a_dot_is_where_it_should_be() -> None:
    made = scene().make("renderer", NewPart)
    action = torch.tensor([[0.25, 0.75, 0.0, 1.0, 0.0, 0.0]])
    place = Place(torch.zeros(1, 2), 40, 0, torch.zeros(1, dtype=torch.int64), (40, 40), 0)
    colour, coverage = made(action, place)
    assert colour.flatten().tolist() == [1, 0, 0]
    assert coverage[0, 0, 30, 10] > 0.5
    assert coverage[0, 0, 10, 30] == 0
