"""Tests of the renderer: the interface, and the position of a dot."""

import torch
from artkit import Place
from artkit.testing import check_renderer, scene
from newplugin.newcomponent import NewComponent


def test_is_a_renderer() -> None:
    check_renderer(NewComponent)


def test_renders_the_dot_at_its_position() -> None:
    renderer = scene().make("renderer", NewComponent)
    action = torch.tensor([[0.25, 0.75, 0.0, 1.0, 0.0, 0.0]])
    place = Place(torch.zeros(1, 2), 40, 0, torch.zeros(1, dtype=torch.int64), (40, 40), 0)
    colour, coverage = renderer(action, place)
    assert colour.flatten().tolist() == [1, 0, 0]
    assert coverage[0, 0, 30, 10] > 0.5
    assert coverage[0, 0, 10, 30] == 0
