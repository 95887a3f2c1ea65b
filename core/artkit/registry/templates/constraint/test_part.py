"""The constraint keeps to the interface, and holds what it promises."""

from artkit import UsageError
import pytest
import torch
from newplugin.newpart import NewPart

from artkit.testing import check_constraint, scene


def test_it_is_a_constraint() -> None:
    check_constraint(NewPart)


def test_nothing_leaves_the_range() -> None:
    made = scene().make("constraint", NewPart, low=0.25, high=0.5)
    assert made(torch.tensor([[[0.0, 0.5, 1.0]]]), 0.0).tolist() == [[[0.25, 0.375, 0.5]]]


def test_a_range_without_width_is_refused() -> None:
    with pytest.raises(UsageError, match="less than high"):
        scene().make("constraint", NewPart, low=0.5, high=0.5)
