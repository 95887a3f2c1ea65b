"""Tests of the objective: the interface, and its minimum."""

import torch
from artkit import View, Window
from artkit.testing import check_objective, scene
from newplugin.newcomponent import NewComponent


def test_is_an_objective() -> None:
    check_objective(NewComponent)


def test_is_0_at_the_brightness_of_its_config() -> None:
    objective = scene().make("objective", NewComponent, brightness=0.5)
    pictures = torch.stack([torch.full((3, 8, 8), brightness) for brightness in (0.2, 0.5, 0.9)])
    values = objective(View(pictures, None, Window(0, 0, 8, 8), 0.0))
    assert values[1] == 0
    assert values[0] < values[2]
