"""The style objective: texture statistics that do not depend on position."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from artkit.errors import UsageError
from artkit.geometry.window import Window
from artkit.imaging.png import save_png
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit_vision.style import Style

SIDE = 96


def checkerboard(period: int, shift: int = 0) -> Tensor:
    """A checkerboard, (1, 3, SIDE, SIDE); period and shift in px."""
    stripes = (torch.arange(SIDE) + shift) // period % 2
    board = (stripes[:, None] ^ stripes[None, :]).float()
    return torch.stack([board, 0.3 + 0.4 * board, 1 - board])[None]


def view_of(image: Tensor) -> View:
    return View(image, None, Window(0, 0, image.shape[3], image.shape[2]), 0.5)


@pytest.fixture
def style(scene: Callable[..., Scene], tmp_path: Path) -> Callable[..., Style]:
    def make(size: tuple[int, int] = (SIDE, SIDE), **settings: Any) -> Style:
        save_png(checkerboard(6)[0], tmp_path / "texture.png")
        return Style(Style.Config(image=tmp_path / "texture.png", **settings), scene(size))

    return make


@pytest.mark.parametrize("statistics", ["gram", "moments"])
def test_the_loss_depends_on_the_texture_and_not_on_its_position(style: Callable[..., Style], statistics: str) -> None:
    objective = style(statistics=statistics, jitter=0)
    same, shifted, coarse, blank = (
        float(objective(view_of(image)))
        for image in (checkerboard(6), checkerboard(6, 3), checkerboard(24), torch.ones(1, 3, SIDE, SIDE))
    )
    assert same == pytest.approx(0, abs=1e-4)
    assert shifted < 0.25 * min(coarse, blank)


@pytest.mark.parametrize("statistics", ["gram", "moments"])
def test_a_window_is_compared_with_the_whole_texture(style: Callable[..., Style], statistics: str) -> None:
    objective = style(statistics=statistics, jitter=0)
    crop, blank = checkerboard(6)[:, :, :72, :64], torch.ones(1, 3, 72, 64)
    assert float(objective(view_of(crop))) < 0.25 * float(objective(view_of(blank)))


@pytest.mark.parametrize("statistics", ["gram", "moments"])
def test_gradient_descent_decreases_the_loss(style: Callable[..., Style], statistics: str) -> None:
    objective = style(statistics=statistics)
    image = torch.full((1, 3, SIDE, SIDE), 0.5)  # where the features have no variance
    before = float(objective(view_of(image)))
    for _ in range(6):
        image.requires_grad_()
        (gradient,) = torch.autograd.grad(objective(view_of(image)).sum(), image)
        assert gradient.isfinite().all()
        image = (image - 0.03 * gradient.sign()).detach().clamp(0, 1)
    assert float(objective(view_of(image))) < 0.9 * before


def test_it_sets_no_target(style: Callable[..., Style]) -> None:
    assert style().target is None


def test_each_picture_of_a_batch_has_its_own_loss(style: Callable[..., Style]) -> None:
    objective = style(jitter=0)
    images = torch.cat([checkerboard(6), checkerboard(24)])
    single = torch.cat([objective(view_of(image[None])) for image in images])
    torch.testing.assert_close(objective(view_of(images)), single, atol=1e-4, rtol=1e-3)


def test_an_unknown_layer_is_an_error(style: Callable[..., Style]) -> None:
    with pytest.raises(UsageError, match=r'no layer "blocks\.9"'):
        style(layers=("blocks.9",))
