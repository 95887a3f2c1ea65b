"""The content objective: feature distance, transforms, shared forward passes, and errors of loading networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from artkit.errors import UsageError
from artkit.geometry.window import Window
from artkit.interfaces.objective import Objective
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit_vision import features, networks
from artkit_vision.content import Content
from artkit_vision.style import Style

SIZE = (96, 64)
WHOLE = Window(0, 0, *SIZE)
TRANSFORMS: dict[str, dict[str, Any]] = {
    "none": {"jitter": 0},
    "shifted": {"jitter": 5},
    "rotated": {"jitter": 0, "rotate": 30.0},
    "zoomed": {"jitter": 0, "zoom": 0.2},
    "all": {"jitter": 4, "rotate": 10.0, "zoom": 0.1},
}


@pytest.fixture
def content(scene: Callable[..., Scene], picture_file: Path) -> Callable[..., Content]:
    """Make content objectives with the same target."""

    def make(seed: int = 0, **settings: Any) -> Content:
        return Content(Content.Config(target=picture_file, **settings), scene(SIZE, seed))

    return make


def view_of(objective: Objective, image: Tensor, window: Window = WHOLE) -> View:
    assert objective.target is not None
    return View(image, objective.target.window(window), window, 0.5)


def target_of(objective: Objective) -> Tensor:
    assert objective.target is not None
    return objective.target.window(WHOLE)


@contextmanager
def forward_passes(network: nn.Module) -> Iterator[list[Tensor]]:
    """Record the inputs of a network's forward passes."""
    inputs: list[Tensor] = []
    handle = network.model.register_forward_pre_hook(lambda _module, args: inputs.append(args[0]))  # type: ignore[union-attr]
    try:
        yield inputs
    finally:
        handle.remove()


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_loss_of_the_target_is_zero(content: Callable[..., Content], transform: str, norm: str) -> None:
    """The picture and the target get the same transform."""
    objective = content(norm=norm, **TRANSFORMS[transform])
    for _ in range(3):
        assert float(objective(view_of(objective, target_of(objective)))) == pytest.approx(0, abs=1e-6)
        assert float(objective(view_of(objective, 1 - target_of(objective)))) > 0.01


def test_the_loss_decreases_towards_the_target(content: Callable[..., Content]) -> None:
    objective = content(jitter=0)
    blank = torch.ones(1, 3, 64, 96)
    images = [blank.lerp(target_of(objective), weight) for weight in (0, 0.5, 0.9, 1)]
    losses = [float(objective(view_of(objective, image))) for image in images]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 2 * losses[2]


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_gradient_descent_decreases_the_loss(content: Callable[..., Content], transform: str) -> None:
    objective = content(**TRANSFORMS[transform])
    generator = torch.Generator().manual_seed(0)
    image = (target_of(objective) + 0.1 * torch.randn(1, 3, 64, 96, generator=generator)).clamp(0, 1)
    before = image.clone()
    for _ in range(12):
        image.requires_grad_()
        (gradient,) = torch.autograd.grad(objective(view_of(objective, image)).sum(), image)
        assert gradient.isfinite().all()
        image = (image - 0.01 * gradient / gradient.abs().mean().clamp(min=1e-9)).detach().clamp(0, 1)
    plain = content(jitter=0)
    assert float(plain(view_of(plain, image))) < 0.9 * float(plain(view_of(plain, before)))


def test_each_picture_of_a_batch_has_its_own_loss(content: Callable[..., Content]) -> None:
    objective = content(jitter=0)
    images = torch.cat([target_of(objective), torch.ones(1, 3, 64, 96), target_of(objective) * 0.5])
    batched = objective(view_of(objective, images))
    assert batched.shape == (3,)
    single = torch.cat([objective(view_of(objective, image[None])) for image in images])
    torch.testing.assert_close(batched, single, atol=1e-4, rtol=1e-3)


def test_a_window_is_compared_with_the_same_window_of_the_target(content: Callable[..., Content]) -> None:
    objective = content(jitter=2)
    window = Window(20, 10, 64, 48)
    assert objective.target is not None
    crop = objective.target.window(window)
    for _ in range(3):
        assert float(objective(view_of(objective, crop, window))) == pytest.approx(0, abs=1e-6)
    other_crop = objective.target.window(Window(0, 0, 64, 48))
    assert float(objective(view_of(objective, other_crop, window))) > 0.01


def test_randomness_depends_on_the_seed_alone(content: Callable[..., Content]) -> None:
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(3))

    def losses(seed: int) -> list[float]:
        objective = content(seed=seed, jitter=6, rotate=20.0)
        return [float(objective(view_of(objective, image))) for _ in range(4)]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)
    assert len(set(losses(1))) == 4


def test_layers_are_averaged(content: Callable[..., Content]) -> None:
    image = torch.full((1, 3, 64, 96), 0.3)

    def loss(*layers: str) -> float:
        objective = content(jitter=0, layers=layers)
        return float(objective(view_of(objective, image)))

    assert loss("blocks.0", "blocks.2") == pytest.approx((loss("blocks.0") + loss("blocks.2")) / 2, rel=1e-4)
    assert loss("blocks.0") != pytest.approx(loss("blocks.2"), rel=1e-2)


@pytest.mark.parametrize("transform", ["none", "shifted", "all"])
def test_objectives_with_the_same_network_share_a_forward_pass(
    scene: Callable[..., Scene], picture_file: Path, transform: str
) -> None:
    """Three objectives use different layers of one network in one step: it runs once for the picture, and once for the
    target that two of them share.
    """
    shared = scene(SIZE)
    settings: dict[str, Any] = {"target": picture_file, **TRANSFORMS[transform]}
    shallow = Content(Content.Config(**settings, layers=("blocks.0",)), shared)
    deep = Content(Content.Config(**settings, layers=("blocks.3", "blocks.1"), norm="l2"), shared)
    style = Style(Style.Config(image=picture_file, layers=("blocks.2",), **TRANSFORMS[transform]), shared)
    image = torch.rand(1, 3, 64, 96).requires_grad_()
    view = view_of(shallow, image)
    with forward_passes(shallow.extractor.network) as inputs:
        losses = [shallow(view), deep(view.with_target(target_of(deep))), style(view)]
    assert [images.requires_grad for images in inputs] == [True, False]
    sum(losses).sum().backward()  # type: ignore[union-attr]
    assert image.grad is not None
    assert image.grad.abs().max() > 0
    if transform == "none":
        single = Content(Content.Config(**settings, layers=("blocks.3", "blocks.1"), norm="l2"), scene(SIZE))
        torch.testing.assert_close(losses[1], single(view_of(single, image)))


def test_features_of_the_target_are_cached_up_to_a_limit(
    content: Callable[..., Content], monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = content(jitter=2)
    image = target_of(objective)
    with forward_passes(objective.extractor.network) as inputs:
        for _ in range(60):  # there are 25 shifts
            objective(view_of(objective, image))
    assert 60 < len(inputs) <= 85
    monkeypatch.setattr(features, "MAX_CACHE_BYTES", 1000)
    with forward_passes(objective.extractor.network) as inputs:
        assert float(content(jitter=0)(view_of(objective, image))) == pytest.approx(0, abs=1e-6)
    assert len(inputs) == 2


def test_a_network_is_loaded_once(content: Callable[..., Content]) -> None:
    assert content().extractor.network is content(jitter=0).extractor.network


# --------------------------------------------------------------------------------------------------------------- errors
def test_an_unknown_layer_lists_the_layers(content: Callable[..., Content]) -> None:
    message = r'no layer "bocks.1". Did you mean "blocks.1"\?\n.*there are: .*blocks'
    with pytest.raises(UsageError, match=message) as raised:
        content(layers=("bocks.1",))
    assert "conv_stem" in raised.value.hint


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("efficientnet_lite_0", "efficientnet_lite0"),
        ("resnet5o", "resnet50"),
        ("torchvision/vgg61", "vgg16"),
        ("timm/resnet5o", "resnet50"),
    ],
)
def test_an_unknown_network_lists_similar_ones(name: str, similar: str) -> None:
    with pytest.raises(UsageError, match=f'no network "{name}"\n.*{similar}'):
        networks.load(name, torch.device("cpu"))


def test_a_target_that_is_not_an_image(scene: Callable[..., Scene], tmp_path: Path) -> None:
    file = tmp_path / "notes.jpg"
    file.write_text("not an image")
    with pytest.raises(UsageError, match="cannot be read as an image"):
        Content(Content.Config(target=file), scene(SIZE))
