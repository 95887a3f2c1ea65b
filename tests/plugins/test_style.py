"""The style objective: the statistics of a texture, wherever it lies."""

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


def checks(period: int, shift: int = 0) -> Tensor:
    """A texture, (1, 3, SIDE, SIDE)."""
    span = (torch.arange(SIDE) + shift) // period % 2
    board = (span[:, None] ^ span[None, :]).float()
    return torch.stack([board, 0.3 + 0.4 * board, 1 - board])[None]


def view_of(image: Tensor) -> View:
    return View(image, None, Window(0, 0, image.shape[3], image.shape[2]), 0.5)


@pytest.fixture
def style(scene: Callable[..., Scene], tmp_path: Path) -> Callable[..., Style]:
    def make(size: tuple[int, int] = (SIDE, SIDE), **settings: Any) -> Style:
        save_png(checks(6)[0], tmp_path / "texture.png")
        return Style(Style.Config(image=tmp_path / "texture.png", **settings), scene(size))

    return make


@pytest.mark.parametrize("statistics", ["gram", "moments"])
def test_the_texture_counts_and_not_its_place(style: Callable[..., Style], statistics: str) -> None:
    objective = style(statistics=statistics, jitter=0)
    same, moved, coarse, blank = (
        float(objective(view_of(image)))
        for image in (checks(6), checks(6, 3), checks(24), torch.ones(1, 3, SIDE, SIDE))
    )
    assert same == pytest.approx(0, abs=1e-4)
    assert moved < 0.25 * min(coarse, blank)


@pytest.mark.parametrize("statistics", ["gram", "moments"])
def test_a_window_is_compared_as_the_whole_is(style: Callable[..., Style], statistics: str) -> None:
    objective = style(statistics=statistics, jitter=0)
    part, blank = checks(6)[:, :, :72, :64], torch.ones(1, 3, 72, 64)
    assert float(objective(view_of(part))) < 0.25 * float(objective(view_of(blank)))


@pytest.mark.parametrize("statistics", ["gram", "moments"])
def test_the_gradient_leads_to_the_texture(style: Callable[..., Style], statistics: str) -> None:
    objective = style(statistics=statistics)
    image = torch.full((1, 3, SIDE, SIDE), 0.5)  # where features have no deviation
    before = float(objective(view_of(image)))
    for _ in range(6):
        image.requires_grad_()
        (slope,) = torch.autograd.grad(objective(view_of(image)).sum(), image)
        assert slope.isfinite().all()
        image = (image - 0.03 * slope.sign()).detach().clamp(0, 1)
    assert float(objective(view_of(image))) < 0.9 * before


def test_is_no_target(style: Callable[..., Style]) -> None:
    assert style().target is None


def test_each_picture_has_a_score_of_its_own(style: Callable[..., Style]) -> None:
    objective = style(jitter=0)
    images_ = torch.cat([checks(6), checks(24)])
    alone = torch.cat([objective(view_of(image[None])) for image in images_])
    torch.testing.assert_close(objective(view_of(images_)), alone, atol=1e-4, rtol=1e-3)


def test_an_unknown_layer(style: Callable[..., Style]) -> None:
    with pytest.raises(UsageError, match=r'no layer "blocks\.9"'):
        style(layers=("blocks.9",))
