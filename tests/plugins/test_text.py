"""The text objective, with open_clip's own code and a model of a few thousand random weights."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from artkit.errors import ArtkitError, UsageError
from artkit.geometry.window import Window
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit_vision import text
from artkit_vision.text import Text

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


@pytest.fixture
def objective(tiny: Any, scene: Callable[..., Scene]) -> Callable[..., Text]:
    def make(wanted: Any, **settings: Any) -> Text:
        return Text(Text.Config(text=wanted, model="tiny", pretrained="toy", **settings), scene())

    return make


def view_of(image: Tensor) -> View:
    return View(image, None, Window(0, 0, image.shape[3], image.shape[2]), 0.5)


def noise(n: int = 1) -> Tensor:
    return torch.rand(n, 3, 48, 48, generator=torch.Generator().manual_seed(1))


def test_each_picture_has_a_distance_of_its_own(objective: Callable[..., Text]) -> None:
    told = objective("a starfish", views=3)
    values = told(view_of(noise(2)))
    assert values.shape == (2,)
    assert ((values > 0) & (values < 2)).all()
    assert values[0] != values[1]


def test_the_gradient_leads_to_the_text(objective: Callable[..., Text]) -> None:
    told, image = objective("a starfish", **STILL), noise()
    before = float(told(view_of(image)))
    for _ in range(15):
        image.requires_grad_()
        (slope,) = torch.autograd.grad(told(view_of(image)).sum(), image)
        image = (image - 0.03 * slope.sign()).detach().clamp(0, 1)
    assert float(told(view_of(image))) < before - 0.002


def test_texts_are_weighed(objective: Callable[..., Text]) -> None:
    image = view_of(noise())
    alone = [float(objective(name, **STILL)(image)) for name in ("a bee", "rain")]
    both = float(objective({"a bee": 2.0, "rain": -1.0}, **STILL)(image))
    assert both == pytest.approx(2 * alone[0] - alone[1], abs=1e-5)


def test_the_model_is_no_part_of_a_checkpoint(objective: Callable[..., Text]) -> None:
    assert objective("a bee").state_dict() == {}


# ---------------------------------------------------------------------------------------------------------- what fails
@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("model", "weights", "message"),
    [("ViT-B32", "openai", 'no model "ViT-B32"\n.*ViT-B-32'), ("ViT-B-32", "opnai", 'no weights "opnai"\n.*openai')],
)
def test_an_unknown_model_gives_the_nearest(model: str, weights: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        text.load(model, weights, torch.device("cpu"))


def test_weights_that_cannot_be_fetched(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no connection\nand a long story")

    monkeypatch.setattr(tiny, "create_model", offline)
    with pytest.raises(ArtkitError, match=r"weights openai of ViT-B-32 could not be fetched \(no connection\)"):
        text.load("ViT-B-32", "openai", torch.device("cpu"))


def test_without_open_clip_the_extra_is_named(scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    text.load.cache_clear()
    with pytest.raises(ArtkitError, match=r"needs open_clip\n.*neural-artkit\[text\]"):
        Text(Text.Config(text="a bee"), scene())
