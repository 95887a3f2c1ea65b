"""The natural-colours objective: photos are better than grey or glaring pictures, and grey ones get contrast."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from artkit.geometry.window import Window
from artkit.imaging.loading import load_target_image
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit.recipes.shipped import recipe_folder
from artkit_vision.natural_colours import NaturalColours


@pytest.fixture
def value(scene: Callable[..., Scene]) -> Callable[[Tensor], Tensor]:
    objective = NaturalColours(NaturalColours.Config(), scene())
    return lambda image: objective(View(image, None, Window(0, 0, image.shape[3], image.shape[2]), 0.5))


def test_photos_have_more_natural_colours_than_grey_and_glaring_pictures(value: Callable[[Tensor], Tensor]) -> None:
    files = [recipe_folder() / "targets" / f"{name}.jpg" for name in ("astronaut", "cat", "coffee", "hopper", "pagoda")]
    photos = torch.cat([load_target_image(file, (96, 96)).pixels for file in files])
    grey, glaring = 0.5 + 0.3 * (photos - 0.5), (photos > 0.5).float()
    assert value(photos).mean() < 0.6 * value(grey).mean()
    assert (value(photos) < 0.6 * value(glaring)).all()


def test_gradient_descent_gives_a_grey_picture_contrast(value: Callable[[Tensor], Tensor]) -> None:
    image = 0.5 + 0.02 * torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    before = value(image)
    for _ in range(20):
        image.requires_grad_()
        (gradient,) = torch.autograd.grad(value(image).sum(), image)
        image = (image - 0.01 * gradient / gradient.abs().amax((1, 2, 3), keepdim=True)).detach()
    assert (value(image) < 0.6 * before).all()


def test_one_plain_picture_has_a_value_and_a_finite_gradient(value: Callable[[Tensor], Tensor]) -> None:
    image = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(value(image).sum(), image)
    assert gradient.isfinite().all()
