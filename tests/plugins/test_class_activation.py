"""The class-activation objective: its value, shared forward passes, and evaluation by held-out networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from artkit.errors import UsageError
from artkit.geometry.phase import Phase
from artkit.geometry.window import Window
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit.rendering.rendered_painting import RenderedPainting
from artkit.strokes.stroke_log import StrokeLog
from artkit_vision import class_activation, networks
from artkit_vision.augmentation import resize_central_square
from artkit_vision.class_activation import ClassActivation
from artkit_vision.classes import Classes, imagenet_classes

CPU = torch.device("cpu")
STARFISH = 327
NO_AUGMENTATION = {"views": 1, **dict.fromkeys(("crop", "zoom", "shift", "rotate", "flip", "tint", "noise"), 0)}


def view_of(image: Tensor) -> View:
    return View(image, None, Window(0, 0, image.shape[3], image.shape[2]), 0.5)


def random_images(n: int = 1, size: tuple[int, int] = (64, 64)) -> Tensor:
    return torch.rand(n, 3, size[1], size[0], generator=torch.Generator().manual_seed(5))


@pytest.fixture
def objective(scene: Callable[..., Scene]) -> Callable[..., ClassActivation]:
    def make(classes: Any = "starfish", seed: int = 0, **settings: Any) -> ClassActivation:
        config = {"class": classes, "networks": ["efficientnet_lite0"], **settings}
        return ClassActivation(ClassActivation.Config(**config), scene(seed=seed))

    return make


@contextmanager
def forward_passes(network: networks.Network) -> Iterator[list[tuple[int, ...]]]:
    """Record the input shapes of a network's forward passes."""
    shapes: list[tuple[int, ...]] = []
    handle = network.model.register_forward_pre_hook(lambda _module, inputs: shapes.append(tuple(inputs[0].shape)))
    try:
        yield shapes
    finally:
        handle.remove()


# ---------------------------------------------------------------------------------------------------------------- value
@pytest.mark.parametrize("score", ["logit", "probability", "log-probability"])
def test_value_is_the_negative_score_of_the_class(objective: Callable[..., ClassActivation], score: str) -> None:
    network = networks.load("efficientnet_lite0", CPU)
    images = random_images(2, (224, 224))
    logits = network(images)
    scores = {"logit": logits, "probability": logits.softmax(-1), "log-probability": logits.log_softmax(-1)}[score]
    value = objective(score=score, **NO_AUGMENTATION)(view_of(images))
    torch.testing.assert_close(value, -scores[:, STARFISH], atol=1e-4, rtol=1e-3)


def test_several_classes_are_weighted(objective: Callable[..., ClassActivation]) -> None:
    view = view_of(random_images())
    starfish, violin = (float(objective(name, **NO_AUGMENTATION)(view)) for name in ("starfish", "violin"))
    both = float(objective({"starfish": 1.0, "889": -0.5}, **NO_AUGMENTATION)(view))
    assert both == pytest.approx(starfish - 0.5 * violin, rel=1e-4)


def test_an_ensemble_is_the_mean_of_its_networks(objective: Callable[..., ClassActivation]) -> None:
    view = view_of(random_images())
    names = ["efficientnet_lite0", "efficientnet_lite1"]
    values = [float(objective(networks=[name], **NO_AUGMENTATION)(view)) for name in names]
    assert float(objective(networks=names, **NO_AUGMENTATION)(view)) == pytest.approx(sum(values) / 2, rel=1e-4)


def test_gradient_descent_increases_the_score(objective: Callable[..., ClassActivation]) -> None:
    image, augmented, plain = random_images(), objective(views=2), objective(**NO_AUGMENTATION)
    before = float(plain(view_of(image)))
    for _ in range(8):
        image.requires_grad_()
        (gradient,) = torch.autograd.grad(augmented(view_of(image)).sum(), image)
        image = (image - 0.02 * gradient.sign()).detach().clamp(0, 1)
    assert float(plain(view_of(image))) < before - 1


def test_randomness_depends_on_the_seed_alone(objective: Callable[..., ClassActivation]) -> None:
    image = random_images()

    def values(seed: int) -> list[float]:
        augmented = objective(seed=seed, views=1)
        return [float(augmented(view_of(image))) for _ in range(2)]

    assert values(1) == values(1)
    assert len({*values(1), *values(2)}) == 4


def test_objectives_with_the_same_views_share_each_forward_pass(objective: Callable[..., ClassActivation]) -> None:
    first, second = objective(views=2), objective({"violin": 1.0}, score="logit", views=2)
    other_views = objective("violin", views=1)
    network = networks.load("efficientnet_lite0", CPU)
    view = view_of(random_images())
    with forward_passes(network) as shapes:
        first(view), second(view), other_views(view)
    assert shapes == [(2, 3, 224, 224), (1, 3, 224, 224)]


# ----------------------------------------------------------------------------------------------------------- evaluation
def painting(scene: Scene) -> RenderedPainting:
    scene.renderer = renderer = scene.make("renderer", "gan")
    log = StrokeLog(
        size=(64, 64),
        background=(0.2, 0.5, 0.9),
        seed=0,
        renderer={"type": "gan"},
        space=renderer.space.name,
        names=renderer.space.names,
        actions=torch.rand(3, 12, generator=torch.Generator().manual_seed(0)),
        phases=tuple(Phase(index, 0, 0, 64, 1, 1, 64) for index in range(3)),
    )
    return RenderedPainting(log, renderer)


def test_a_held_out_network_only_evaluates(
    objective: Callable[..., ClassActivation], scene: Callable[..., Scene]
) -> None:
    activation = objective({"starfish": 1.0, "violin": 1.0}, held_out=["efficientnet_lite2"], views=1)
    held_out = networks.load("efficientnet_lite2", CPU)
    with forward_passes(held_out) as shapes:
        activation(view_of(random_images())).sum()
    assert shapes == []
    rendered = painting(scene())
    rows = activation.evaluate(rendered)
    assert [(row["network"], row["held_out"], row["class"]) for row in rows] == [
        ("efficientnet_lite0", False, "starfish"),
        ("efficientnet_lite0", False, "violin"),
        ("efficientnet_lite2", True, "starfish"),
        ("efficientnet_lite2", True, "violin"),
    ]
    probabilities = held_out(resize_central_square(rendered.to_tensor()[None], held_out.side)).softmax(-1)[0]
    row = rows[2]
    assert row["probability"] == pytest.approx(float(probabilities[STARFISH]), abs=1e-4)
    assert row["rank"] == 1 + int((probabilities > probabilities[STARFISH]).sum())
    assert row["sees"] == held_out.classes.name(int(probabilities.argmax()))


def test_a_large_picture_is_downscaled_before_its_evaluation(
    objective: Callable[..., ClassActivation], scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = replace(painting(scene()), scale=4.0)
    activation = objective()
    (exact,) = activation.evaluate(rendered)
    monkeypatch.setattr(class_activation, "_MIN_EVALUATION_SIDE", 100)
    monkeypatch.setattr(RenderedPainting, "to_tensor", None)
    (downscaled,) = activation.evaluate(rendered)
    assert downscaled["sees"] == exact["sees"]
    assert downscaled["probability"] == pytest.approx(exact["probability"], rel=0.5, abs=1e-3)


# --------------------------------------------------------------------------------------------------------------- errors
def test_an_unknown_held_out_network_is_an_error_at_the_start(objective: Callable[..., ClassActivation]) -> None:
    with pytest.raises(UsageError, match='no network "efficientnet_lite9"'):
        objective(held_out=["efficientnet_lite9"])


def test_networks_with_different_classes_use_the_same_key(
    objective: Callable[..., ClassActivation], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = networks.Network("other", torch.nn.Flatten(), [0.5] * 3, [0.5] * 3, 64)
    monkeypatch.setitem(other.__dict__, "classes", imagenet_classes(21843))
    small = networks.Network("small", torch.nn.Flatten(), [0.5] * 3, [0.5] * 3, 64)
    monkeypatch.setitem(small.__dict__, "classes", Classes(["n0"], [["thing"]]))
    load = networks.load
    fakes = {"other": other, "small": small}
    monkeypatch.setattr(networks, "load", lambda name, device: fakes.get(name) or load(name, device))
    activation = objective("327", networks=["efficientnet_lite0", "other"])
    ((first, _), (second, _)) = [next(iter(weights.items())) for weights in activation._class_weights.values()]
    assert first == STARFISH != second
    assert other.classes.name(second) == "starfish"
    with pytest.raises(UsageError, match="small has no class n02317335"):
        objective(held_out=["small"])


def test_an_unknown_class_is_an_error_at_the_start(objective: Callable[..., ClassActivation]) -> None:
    with pytest.raises(UsageError, match='no class "starfsh"'):
        objective("starfsh")


@pytest.mark.parametrize("value", [{}, True, 1.5, ["starfish"], {"starfish": "much"}, -3])
def test_other_values_are_not_classes(objective: Callable[..., ClassActivation], value: Any) -> None:
    with pytest.raises((ValidationError, UsageError)):
        objective(value)


def test_a_network_cannot_be_in_the_ensemble_and_held_out(objective: Callable[..., ClassActivation]) -> None:
    with pytest.raises(ValidationError, match="efficientnet_lite0 cannot be in both networks and held_out"):
        objective(held_out=["efficientnet_lite0"])


def test_a_network_without_classes_is_rejected() -> None:
    network = networks.Network("features", torch.nn.Flatten(), [0.5] * 3, [0.5] * 3, 4)
    with pytest.raises(UsageError, match="features is not an ImageNet classifier"):
        _ = network.classes
