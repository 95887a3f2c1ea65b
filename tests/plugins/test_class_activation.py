"""Class activation: an ensemble of networks, the views they get, and the judges that take no part."""

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
from artkit_vision.class_activation import ClassActivation
from artkit_vision.classes import Classes, imagenet
from artkit_vision.views import Views, look, whole

CPU = torch.device("cpu")
STARFISH = 327
STILL: dict[str, Any] = {
    "views": 1,
    "crop": 0,
    "zoom": 0,
    "shift": 0,
    "rotate": 0,
    "flip": False,
    "tint": 0,
    "noise": 0,
}


def view_of(image: Tensor) -> View:
    return View(image, None, Window(0, 0, image.shape[3], image.shape[2]), 0.5)


def noise(n: int = 1, size: tuple[int, int] = (64, 64)) -> Tensor:
    return torch.rand(n, 3, size[1], size[0], generator=torch.Generator().manual_seed(5))


@pytest.fixture
def objective(scene: Callable[..., Scene]) -> Callable[..., ClassActivation]:
    def make(wanted: Any = "starfish", seed: int = 0, **settings: Any) -> ClassActivation:
        told = {"class": wanted, "networks": ["efficientnet_lite0"], **settings}
        return ClassActivation(ClassActivation.Config(**told), scene(seed=seed))

    return make


@contextmanager
def passes(network: networks.Network) -> Iterator[list[tuple[int, ...]]]:
    """The shapes with which a network's model is called."""
    calls: list[tuple[int, ...]] = []
    handle = network.model.register_forward_pre_hook(lambda _module, inputs: calls.append(tuple(inputs[0].shape)))
    try:
        yield calls
    finally:
        handle.remove()


# ------------------------------------------------------------------------------------------------------------ its value
@pytest.mark.parametrize("score", ["logit", "probability", "log-probability"])
def test_is_what_the_network_says_of_the_class(objective: Callable[..., ClassActivation], score: str) -> None:
    network = networks.load("efficientnet_lite0", CPU)
    images = noise(2, (224, 224))
    logits = network(images)
    wanted = {"logit": logits, "probability": logits.softmax(-1), "log-probability": logits.log_softmax(-1)}[score]
    value = objective(score=score, **STILL)(view_of(images))
    torch.testing.assert_close(value, -wanted[:, STARFISH], atol=1e-4, rtol=1e-3)


def test_several_classes_are_weighed(objective: Callable[..., ClassActivation]) -> None:
    image = view_of(noise())
    alone = [float(objective(name, **STILL)(image)) for name in ("starfish", "violin")]
    both = float(objective({"starfish": 1.0, "889": -0.5}, **STILL)(image))
    assert both == pytest.approx(alone[0] - 0.5 * alone[1], rel=1e-4)


def test_an_ensemble_is_the_mean_of_its_networks(objective: Callable[..., ClassActivation]) -> None:
    image = view_of(noise())
    names = ["efficientnet_lite0", "efficientnet_lite1"]
    alone = [float(objective(networks=[name], **STILL)(image)) for name in names]
    assert float(objective(networks=names, **STILL)(image)) == pytest.approx(sum(alone) / 2, rel=1e-4)


def test_its_gradient_makes_the_network_see_the_class(objective: Callable[..., ClassActivation]) -> None:
    image, told = noise(), objective(views=2)
    judge = objective(**STILL)
    before = float(judge(view_of(image)))
    for _ in range(8):
        image.requires_grad_()
        (slope,) = torch.autograd.grad(told(view_of(image)).sum(), image)
        image = (image - 0.02 * slope.sign()).detach().clamp(0, 1)
    assert float(judge(view_of(image))) < before - 1


def test_what_is_random_comes_from_the_seed(objective: Callable[..., ClassActivation]) -> None:
    image = noise()

    def values(seed: int) -> list[float]:
        told = objective(seed=seed, views=1)
        return [float(told(view_of(image))) for _ in range(2)]

    assert values(1) == values(1)
    assert len({*values(1), *values(2)}) == 4


# ------------------------------------------------------------------------------------------------------------ the views
def test_without_moves_a_view_is_the_picture() -> None:
    image = noise(2, (48, 48))
    (views,) = look(view_of(image), Views(**STILL), 48, torch.Generator())
    torch.testing.assert_close(views, image, atol=1e-5, rtol=0)


def test_moves_are_what_they_are_called() -> None:
    """A gradient from left to right and one from top to bottom tell where a view's pixels come from."""
    across, down = torch.linspace(-1, 1, 64).expand(64, 64), torch.linspace(-1, 1, 64)[:, None].expand(64, 64)
    image = torch.stack([across, down, down])[None] / 2 + 0.5

    def slopes(**settings: Any) -> list[tuple[float, float, float]]:
        views = look(view_of(image), Views(**{**STILL, "views": 8, **settings}), 64, torch.Generator().manual_seed(1))
        middle = (views[:, 0, :, 20:44, 20:44] - 0.5) * 63
        by_x, by_y = middle.diff(dim=-1).mean((-2, -1)), middle.diff(dim=-2).mean((-2, -1))
        return [(float(x[0]), float(x[1]), float(y[1])) for x, y in zip(by_x, by_y, strict=True)]

    assert all(told == pytest.approx((1, 0, 1), abs=1e-3) for told in slopes(shift=0.1))
    assert {round(told[0]) for told in slopes(flip=True)} == {-1, 1}
    assert all(told[2] == pytest.approx(1, abs=1e-3) for told in slopes(flip=True))
    turned = slopes(rotate=20)
    assert len({round(told[1], 3) for told in turned}) == 8
    assert all(abs(x**2 + xy**2 - 1) < 1e-2 and abs(xy) < 0.35 for x, xy, _ in turned)
    assert all(0.7 <= told[0] <= 1 and told[0] == pytest.approx(told[2], abs=1e-3) for told in slopes(crop=0.3))
    assert all(0.83 <= told[0] <= 1.2 for told in slopes(zoom=0.2))


@pytest.mark.parametrize("size", [(160, 64), (64, 160), (600, 500), (96, 96)])
def test_views_keep_the_shape_of_what_they_show(size: tuple[int, int]) -> None:
    """However long the picture, a view takes as many px of it across as down: its shorter side."""
    y, x = torch.meshgrid(torch.arange(size[1]) / 600, torch.arange(size[0]) / 600, indexing="ij")
    image = torch.stack([x, y, y])[None]
    for view in (look(view_of(image), Views(**STILL), 96, torch.Generator())[0], whole(image, 96)):
        assert view.shape == (1, 3, 96, 96)
        across, down = (view[0, c, 8:-8, 8:-8].diff(dim=d).mean() * 96 * 600 for c, d in ((0, 1), (1, 0)))
        assert float(across) == pytest.approx(min(size), rel=0.02)
        assert float(down) == pytest.approx(min(size), rel=0.02)


def test_a_view_lies_anywhere_along_a_long_picture() -> None:
    ramp = torch.linspace(0, 1, 400).expand(1, 3, 50, 400)
    views = look(view_of(ramp), Views(**{**STILL, "views": 32}), 40, torch.Generator().manual_seed(0))
    middles = views.mean((1, 2, 3, 4))
    assert float(middles.min()) < 0.2
    assert float(middles.max()) > 0.8


# ------------------------------------------------------------------------------------------------- one pass for several
def test_objectives_with_the_same_views_share_each_network_s_pass(objective: Callable[..., ClassActivation]) -> None:
    one, other = objective(views=2), objective({"violin": 1.0}, score="logit", views=2)
    elsewhere = objective("violin", views=1)
    network = networks.load("efficientnet_lite0", CPU)
    view = view_of(noise())
    with passes(network) as calls:
        one(view), other(view), elsewhere(view)
    assert calls == [(2, 3, 224, 224), (1, 3, 224, 224)]


# ----------------------------------------------------------------------------------------------------------- the judges
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
        phases=tuple(Phase(number, 0, 0, 64, 1, 1, 64) for number in range(3)),
    )
    return RenderedPainting(log, renderer)


def test_a_held_out_network_judges_and_never_takes_part(
    objective: Callable[..., ClassActivation], scene: Callable[..., Scene]
) -> None:
    told = objective({"starfish": 1.0, "violin": 1.0}, held_out=["efficientnet_lite2"], views=1)
    judge = networks.load("efficientnet_lite2", CPU)
    with passes(judge) as calls:
        told(view_of(noise())).sum()
    assert calls == []
    made = painting(scene())
    rows = told.evaluate(made)
    assert [(row["network"], row["held_out"], row["class"]) for row in rows] == [
        ("efficientnet_lite0", False, "starfish"),
        ("efficientnet_lite0", False, "violin"),
        ("efficientnet_lite2", True, "starfish"),
        ("efficientnet_lite2", True, "violin"),
    ]
    chances = judge(whole(made.to_tensor()[None], judge.side)).softmax(-1)[0]
    last = rows[2]
    assert last["probability"] == pytest.approx(float(chances[STARFISH]), abs=1e-4)
    assert last["rank"] == 1 + int((chances > chances[STARFISH]).sum())
    assert last["sees"] == judge.classes.name(int(chances.argmax()))


def test_a_large_picture_is_reduced_before_it_is_judged(
    objective: Callable[..., ClassActivation], scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = replace(painting(scene()), scale=4.0)
    told = objective()
    (exact,) = told.evaluate(made)
    monkeypatch.setattr(class_activation, "_ENOUGH", 100)
    monkeypatch.setattr(RenderedPainting, "whole", None)
    (reduced,) = told.evaluate(made)
    assert reduced["sees"] == exact["sees"]
    assert reduced["probability"] == pytest.approx(exact["probability"], rel=0.5, abs=1e-3)


# ---------------------------------------------------------------------------------------------------------- what fails
def test_a_judge_is_looked_for_before_anything_starts(objective: Callable[..., ClassActivation]) -> None:
    with pytest.raises(UsageError, match='no network "efficientnet_lite9"'):
        objective(held_out=["efficientnet_lite9"])


def test_a_class_means_the_same_to_networks_with_other_classes(
    objective: Callable[..., ClassActivation], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = networks.Network("other", torch.nn.Flatten(), [0.5] * 3, [0.5] * 3, 64)
    monkeypatch.setitem(other.__dict__, "classes", imagenet(21843))
    small = networks.Network("small", torch.nn.Flatten(), [0.5] * 3, [0.5] * 3, 64)
    monkeypatch.setitem(small.__dict__, "classes", Classes(["n0"], [["thing"]]))
    load = networks.load
    made = {"other": other, "small": small}
    monkeypatch.setattr(networks, "load", lambda name, device: made.get(name) or load(name, device))
    told = objective("327", networks=["efficientnet_lite0", "other"])
    ((first, _), (second, _)) = [next(iter(wanted.items())) for wanted in told._wanted.values()]
    assert first == STARFISH != second
    assert other.classes.name(second) == "starfish"
    with pytest.raises(UsageError, match="small does not know the class n02317335"):
        objective(held_out=["small"])


def test_an_unknown_class_is_told_before_anything_starts(objective: Callable[..., ClassActivation]) -> None:
    with pytest.raises(UsageError, match='no class "starfsh"'):
        objective("starfsh")


@pytest.mark.parametrize("wanted", [{}, True, 1.5, ["starfish"], {"starfish": "much"}, -3])
def test_what_is_no_class(objective: Callable[..., ClassActivation], wanted: Any) -> None:
    with pytest.raises((ValidationError, UsageError)):
        objective(wanted)


def test_a_network_cannot_take_part_and_be_held_out(objective: Callable[..., ClassActivation]) -> None:
    with pytest.raises(ValidationError, match="efficientnet_lite0 cannot be held out"):
        objective(held_out=["efficientnet_lite0"])


def test_a_network_without_classes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = networks.Network("features", torch.nn.Flatten(), [0.5] * 3, [0.5] * 3, 4)
    with pytest.raises(UsageError, match="features is no classifier"):
        _ = network.classes


def test_noise_is_added_to_half_of_the_views() -> None:
    image = torch.full((1, 3, 40, 40), 0.5)
    views = look(view_of(image), Views(**{**STILL, "views": 40, "noise": 0.1}), 40, torch.Generator().manual_seed(0))
    deviations = (views - 0.5).std((1, 2, 3, 4))
    assert 10 < int((deviations < 1e-5).sum()) < 30
    assert 0.07 < float(deviations.max()) < 0.105
