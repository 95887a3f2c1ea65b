"""The data keep to the interface, and their labels say what is to be seen."""

import torch
from newplugin.newpart import NewPart

from artkit.testing import check_data, scene


def test_they_are_data() -> None:
    check_data(NewPart, {"count": 30})


def test_large_dots_are_darker() -> None:
    data = NewPart(NewPart.Config(count=30), scene())
    numbers = torch.arange(30)
    ink, large = 1 - data.images(numbers).mean((1, 2, 3)), data.labels(numbers) == 1
    assert ink[large].min() > ink[~large].max()
