"""The natural-statistics objective: the statistics it compares with, its value, and shared forward passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from artkit.errors import UsageError
from artkit.geometry.window import Window
from artkit.imaging.loading import load_target_image
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit.recipes.shipped import recipe_folder
from artkit_vision import networks
from artkit_vision.class_activation import ClassActivation
from artkit_vision.natural_statistics import NaturalStatistics

CPU = torch.device("cpu")
SETTINGS = {"networks": ["efficientnet_lite0"], "views": 2, "side": 64}


def view_of(image: Tensor) -> View:
    return View(image, None, Window(0, 0, image.shape[3], image.shape[2]), 0.5)


def noise(n: int = 1) -> Tensor:
    return torch.rand(n, 3, 64, 64, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def objective(scene: Callable[..., Scene]) -> Callable[..., NaturalStatistics]:
    return lambda **settings: NaturalStatistics(NaturalStatistics.Config(**{**SETTINGS, **settings}), scene())


def test_a_photo_has_more_natural_statistics_than_noise_or_a_plain_picture(
    objective: Callable[..., NaturalStatistics],
) -> None:
    photo = load_target_image(recipe_folder() / "targets" / "astronaut.jpg", (64, 64)).pixels
    natural, random, plain = (
        float(objective(side=160)(view_of(i))) for i in (photo, noise(), torch.full_like(photo, 0.5))
    )
    assert natural < 0.7 * random
    assert natural < 0.7 * plain


def test_gradient_descent_makes_noise_more_natural(objective: Callable[..., NaturalStatistics]) -> None:
    natural, image = objective(), noise()
    before = float(natural(view_of(image)))
    for _ in range(8):
        image.requires_grad_()
        (gradient,) = torch.autograd.grad(natural(view_of(image)).sum(), image)
        assert gradient.isfinite().all()
        image = (image - 0.02 * gradient.sign()).detach().clamp(0, 1)
    assert float(natural(view_of(image))) < 0.8 * before


def test_the_value_of_a_picture_does_not_depend_on_the_others(objective: Callable[..., NaturalStatistics]) -> None:
    images, still = noise(2), dict.fromkeys(("crop", "zoom", "shift", "rotate", "flip", "tint"), 0)
    both = objective(**still)(view_of(images))
    alone = torch.cat([objective(**still)(view_of(image[None])) for image in images])
    torch.testing.assert_close(both, alone, rtol=1e-3, atol=1e-4)


def test_it_shares_the_forward_pass_of_class_activation(scene: Callable[..., Scene]) -> None:
    shared = scene()
    score = ClassActivation(ClassActivation.Config(**{"class": "starfish"}, **SETTINGS), shared)
    natural = NaturalStatistics(NaturalStatistics.Config(**SETTINGS), shared)
    shapes: list[tuple[int, ...]] = []
    network = networks.load("efficientnet_lite0", CPU)
    handle = network.model.register_forward_pre_hook(lambda _module, inputs: shapes.append(tuple(inputs[0].shape)))
    view = view_of(noise())
    score(view), natural(view)
    handle.remove()
    assert shapes == [(2, 3, 64, 64)]


def test_folding_keeps_what_the_normalisation_stored() -> None:
    """The statistics of a folded layer's output are those that make the normalised input standard."""
    from artkit_vision.folding import fold_batch_norms

    generator = torch.Generator().manual_seed(1)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    norm = model[1]
    assert isinstance(norm, nn.BatchNorm2d)
    images = torch.rand(8, 3, 16, 16, generator=generator)
    norm.momentum = None  # the statistics of all images
    with torch.no_grad():
        model.train()(images)
        norm.weight.copy_(torch.rand(4, generator=generator) + 0.5)
        norm.bias.copy_(torch.rand(4, generator=generator))
    model.eval().requires_grad_(False)
    statistics = fold_batch_norms(model, 16)
    assert list(statistics) == ["0"]
    output = model[0](images)
    torch.testing.assert_close(output.mean((0, 2, 3)), statistics["0"].mean, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(output.std((0, 2, 3)), statistics["0"].std, rtol=1e-2, atol=1e-3)


def test_a_network_without_batch_normalisation_is_an_error(
    objective: Callable[..., NaturalStatistics], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = networks.Network("plain", nn.Sequential(nn.Conv2d(3, 4, 3)), (0.5,) * 3, (0.5,) * 3, 64)
    monkeypatch.setattr(networks, "load", lambda name, device: network)
    with pytest.raises(UsageError, match="plain has no batch normalisation"):
        objective()
