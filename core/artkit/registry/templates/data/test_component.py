"""Tests of the data set: the interface, and that labels match the images."""

import torch
from artkit.testing import check_data, scene
from newplugin.newcomponent import NewComponent


def test_is_a_data_set() -> None:
    check_data(NewComponent, {"count": 30})


def test_large_dots_are_darker() -> None:
    data = NewComponent(NewComponent.Config(count=30), scene())
    indices = torch.arange(30)
    ink, is_large = 1 - data.images(indices).mean((1, 2, 3)), data.labels(indices) == 1
    assert ink[is_large].min() > ink[~is_large].max()
