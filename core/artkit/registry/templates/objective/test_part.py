"""The objective keeps to the interface, and likes what it should."""

from artkit import View, Window
import torch
from newplugin.newpart import NewPart

from artkit.testing import check_objective, scene


def test_it_is_an_objective() -> None:
    check_objective(NewPart)


def test_it_likes_the_brightness_that_is_wanted() -> None:
    made = scene().make("objective", NewPart, wanted=0.5)
    pictures = torch.stack([torch.full((3, 8, 8), brightness) for brightness in (0.2, 0.5, 0.9)])
    values = made(View(pictures, None, Window(0, 0, 8, 8), 0.0))
    assert values[1] == 0
    assert values[0] < values[2]
