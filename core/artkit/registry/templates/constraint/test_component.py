"""Tests of the constraint: the interface, and the range of its output."""

import pytest
import torch
from artkit import UsageError
from artkit.testing import check_constraint, scene
from newplugin.newcomponent import NewComponent


def test_is_a_constraint() -> None:
    check_constraint(NewComponent)


def test_scales_to_the_range() -> None:
    constraint = scene().make("constraint", NewComponent, low=0.25, high=0.5)
    assert constraint(torch.tensor([[[0.0, 0.5, 1.0]]]), 0.0).tolist() == [[[0.25, 0.375, 0.5]]]


def test_refuses_an_empty_range() -> None:
    with pytest.raises(UsageError, match="less than high"):
        scene().make("constraint", NewComponent, low=0.5, high=0.5)
