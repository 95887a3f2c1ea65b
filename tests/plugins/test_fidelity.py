"""Figures of painters beside the real brush."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from artkit.geometry import Place
from artkit.part import Scene
from artkit.renderer import Paint, Renderer
from artkit_painters import stroke
from artkit_painters.fidelity import measure

pytestmark = pytest.mark.usefixtures("mypaint")

BRUSH = "classic/dry_brush"


class Blank(Renderer):
    """Paints nothing."""

    name = "blank"
    space = stroke.SPACE

    def forward(self, actions: Tensor, place: Place) -> Paint:
        return Paint(actions[:, 9:, None, None], actions.new_zeros(len(actions), 1, place.sheet, place.sheet))


def test_the_brush_itself_is_a_perfect_sampler(scene: Callable[..., Scene]) -> None:
    real = scene().make("renderer", "mypaint", brush=BRUSH, surrogate="")
    figures = measure(real, BRUSH, 200)
    assert figures["sampler"] == pytest.approx(2 * figures["floor"])
    assert figures["mse"] == pytest.approx(figures["sampler"], rel=0.15)
    assert figures["iou"] == pytest.approx(figures["iou_real"], abs=0.03)
    assert figures["energy"] == pytest.approx(1, abs=0.1)
    assert figures["spectrum"] < 0.15
    for half in ("small", "large", "light", "heavy"):
        assert figures[f"mse_{half}"] == pytest.approx(2, abs=0.5)


def test_figures_order_painters(scene: Callable[..., Scene]) -> None:
    made = scene()
    learnt = measure(made.make("renderer", "gan", brush=BRUSH), BRUSH, 200)
    blank = measure(Blank(Blank.Config(), made), BRUSH, 200)
    assert learnt["floor"] <= learnt["mse"] < 0.5 * blank["mse"]
    assert learnt["iou"] > 0.5
    assert blank["iou"] == 0
    assert blank["energy"] == 0
    assert blank["floor"] == learnt["floor"]


def test_figures_are_the_same_again(scene: Callable[..., Scene]) -> None:
    painter = scene().make("renderer", "gan", brush=BRUSH)
    torch.manual_seed(1)
    one = measure(painter, BRUSH, 100, seed=3)
    torch.manual_seed(2)
    assert measure(painter, BRUSH, 100, seed=3) == one
    assert measure(painter, BRUSH, 100, seed=4) != one
