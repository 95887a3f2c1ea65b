"""The pixel objective: differences of pixels and of the means of squares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from artkit.geometry.window import Window
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit_vision.pixel import Pixel

SIZE = (96, 64)
WHOLE = Window(0, 0, *SIZE)


@pytest.fixture
def pixel(scene: Callable[..., Scene], picture_file: Path) -> Callable[..., Pixel]:
    def make(**settings: Any) -> Pixel:
        return Pixel(Pixel.Config(target=picture_file, **settings), scene(SIZE))

    return make


def view_of(objective: Pixel, offset: float, window: Window = WHOLE) -> View:
    assert objective.target is not None
    target = objective.target.window(window)
    return View(target + offset, target, window, 0.5)


@pytest.mark.parametrize("scales", [(1,), (1, 4, 8), (7,)])
@pytest.mark.parametrize(("norm", "expected"), [("l1", 0.2), ("l2", 0.04)])
@pytest.mark.parametrize("window", [Window(0, 0, *SIZE), Window(10, 3, 33, 5)])
def test_a_uniform_difference(
    pixel: Callable[..., Pixel], norm: str, expected: float, scales: tuple[int, ...], window: Window
) -> None:
    objective = pixel(norm=norm, scales=scales)
    assert float(objective(view_of(objective, 0.2, window))) == pytest.approx(expected, rel=1e-4)
    assert float(objective(view_of(objective, 0.0, window))) == 0


def test_large_squares_average_out_fine_patterns(pixel: Callable[..., Pixel]) -> None:
    pattern = torch.arange(64)[:, None].add(torch.arange(96)) % 2 * 0.4 - 0.2
    fine, coarse = pixel(), pixel(scales=(8,))
    view = view_of(fine, 0.0)
    view.image = view.image + pattern
    assert float(fine(view)) == pytest.approx(0.04, rel=1e-4)
    assert float(coarse(view)) == pytest.approx(0, abs=1e-9)
