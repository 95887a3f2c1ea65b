"""Tests of the objective `histogram`: the interface, and invariance to where colours are."""

from pathlib import Path

import pytest
import torch
from artkit import View, Window
from artkit.imaging.png import save_png
from artkit.testing import check_objective, picture, scene
from artkit_histogram.histogram import Histogram


@pytest.fixture
def image(tmp_path: Path) -> str:
    save_png(picture((64, 64), 3)[0], tmp_path / "image.png")
    return str(tmp_path / "image.png")


def test_is_an_objective(image: str) -> None:
    check_objective(Histogram, {"image": image})


def test_depends_on_colours_and_not_on_their_positions(image: str) -> None:
    objective = scene().make("objective", Histogram, image=image, side=64)
    same = picture((64, 64), 3)
    pictures = torch.cat([same, same.flip(-1), same.roll(20, -2), 1 - same])
    upright, mirrored, rolled, inverted = objective(View(pictures, None, Window(0, 0, 64, 64), 0.0)).tolist()
    assert upright < 0.005  # rounding to 8 bits
    assert mirrored == pytest.approx(upright, abs=1e-6)
    assert rolled == pytest.approx(upright, abs=1e-6)
    assert inverted > 10 * upright
