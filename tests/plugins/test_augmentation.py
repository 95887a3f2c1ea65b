"""Augmentation: geometry, randomness and noise of the views of a picture."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from artkit.geometry.window import Window
from artkit.interfaces.view import View
from artkit_vision.augmentation import AugmentationSettings, augment, resize_central_square

NO_AUGMENTATION = {"views": 1, **dict.fromkeys(("crop", "zoom", "shift", "rotate", "flip", "tint", "noise"), 0)}


def views_of(image: Tensor, side: int, seed: int = 0, **settings: Any) -> Tensor:
    """Views (v, n, 3, side, side) of images (n, 3, h, w); only what the settings name varies."""
    view = View(image, None, Window(0, 0, image.shape[3], image.shape[2]), 0.5)
    config = AugmentationSettings(**{**NO_AUGMENTATION, **settings})
    return augment(view, config, side, torch.Generator().manual_seed(seed))


def test_without_augmentation_a_view_is_the_picture() -> None:
    image = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(5))
    (views,) = views_of(image, 48)
    torch.testing.assert_close(views, image, atol=1e-5, rtol=0)


def test_each_setting_has_its_geometric_effect() -> None:
    """A horizontal and a vertical ramp show where a view's pixels come from."""
    horizontal, vertical = torch.linspace(-1, 1, 64).expand(64, 64), torch.linspace(-1, 1, 64)[:, None].expand(64, 64)
    image = torch.stack([horizontal, vertical, vertical])[None] / 2 + 0.5

    def slopes(**settings: Any) -> list[tuple[float, float, float]]:
        """The derivatives dx/du, dy/du and dy/dv of picture coordinates (x, y) by view coordinates (u, v)."""
        views = views_of(image, 64, seed=1, views=8, **settings)
        middle = (views[:, 0, :, 20:44, 20:44] - 0.5) * 63
        by_u, by_v = middle.diff(dim=-1).mean((-2, -1)), middle.diff(dim=-2).mean((-2, -1))
        return [(float(u[0]), float(u[1]), float(v[1])) for u, v in zip(by_u, by_v, strict=True)]

    assert all(slope == pytest.approx((1, 0, 1), abs=1e-3) for slope in slopes(shift=0.1))
    assert {round(slope[0]) for slope in slopes(flip=True)} == {-1, 1}
    assert all(slope[2] == pytest.approx(1, abs=1e-3) for slope in slopes(flip=True))
    rotated = slopes(rotate=20)
    assert len({round(slope[1], 3) for slope in rotated}) == 8
    assert all(abs(xu**2 + yu**2 - 1) < 1e-2 and abs(yu) < 0.35 for xu, yu, _ in rotated)
    assert all(0.7 <= slope[0] <= 1 and slope[0] == pytest.approx(slope[2], abs=1e-3) for slope in slopes(crop=0.3))
    assert all(0.83 <= slope[0] <= 1.2 for slope in slopes(zoom=0.2))


@pytest.mark.parametrize("size", [(160, 64), (64, 160), (600, 500), (96, 96)])
def test_views_keep_the_aspect_ratio(size: tuple[int, int]) -> None:
    """A view spans as many px of the picture horizontally as vertically: its shorter side."""
    y, x = torch.meshgrid(torch.arange(size[1]) / 600, torch.arange(size[0]) / 600, indexing="ij")
    image = torch.stack([x, y, y])[None]
    for view in (views_of(image, 96)[0], resize_central_square(image, 96)):
        assert view.shape == (1, 3, 96, 96)
        width, height = (view[0, c, 8:-8, 8:-8].diff(dim=d).mean() * 96 * 600 for c, d in ((0, 1), (1, 0)))
        assert float(width) == pytest.approx(min(size), rel=0.02)
        assert float(height) == pytest.approx(min(size), rel=0.02)


def test_views_of_a_long_picture_cover_its_length() -> None:
    ramp = torch.linspace(0, 1, 400).expand(1, 3, 50, 400)
    means = views_of(ramp, 40, views=32).mean((1, 2, 3, 4))
    assert float(means.min()) < 0.2
    assert float(means.max()) > 0.8


def test_noise_is_added_to_half_of_the_views() -> None:
    image = torch.full((1, 3, 40, 40), 0.5)
    deviations = (views_of(image, 40, views=40, noise=0.1) - 0.5).std((1, 2, 3, 4))
    assert 10 < int((deviations < 1e-5).sum()) < 30
    assert 0.07 < float(deviations.max()) < 0.105
