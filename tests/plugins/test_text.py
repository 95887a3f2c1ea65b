"""The text objective, with open_clip and a tiny model with random weights."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
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

NO_AUGMENTATION = {"views": 1, **dict.fromkeys(("crop", "zoom", "shift", "rotate", "flip", "tint", "noise"), 0)}


@pytest.fixture
def objective(tiny: Any, scene: Callable[..., Scene]) -> Callable[..., Text]:
    def make(texts: Any, **settings: Any) -> Text:
        return Text(Text.Config(text=texts, model="tiny", pretrained="toy", **settings), scene())

    return make


def view_of(image: Tensor) -> View:
    return View(image, None, Window(0, 0, image.shape[3], image.shape[2]), 0.5)


def random_images(n: int = 1) -> Tensor:
    return torch.rand(n, 3, 48, 48, generator=torch.Generator().manual_seed(1))


def test_each_picture_of_a_batch_has_its_own_distance(objective: Callable[..., Text]) -> None:
    values = objective("a starfish", views=3)(view_of(random_images(2)))
    assert values.shape == (2,)
    assert ((values > 0) & (values < 2)).all()
    assert values[0] != values[1]


def test_gradient_descent_decreases_the_distance(objective: Callable[..., Text]) -> None:
    text_distance, image = objective("a starfish", **NO_AUGMENTATION), random_images()
    before = float(text_distance(view_of(image)))
    for _ in range(15):
        image.requires_grad_()
        (gradient,) = torch.autograd.grad(text_distance(view_of(image)).sum(), image)
        image = (image - 0.03 * gradient.sign()).detach().clamp(0, 1)
    assert float(text_distance(view_of(image))) < before - 0.002


def test_several_texts_are_weighted(objective: Callable[..., Text]) -> None:
    view = view_of(random_images())
    bee, rain = (float(objective(name, **NO_AUGMENTATION)(view)) for name in ("a bee", "rain"))
    both = float(objective({"a bee": 2.0, "rain": -1.0}, **NO_AUGMENTATION)(view))
    assert both == pytest.approx(2 * bee - rain, abs=1e-5)


def test_the_model_is_not_part_of_checkpoints(objective: Callable[..., Text]) -> None:
    assert objective("a bee").state_dict() == {}


# --------------------------------------------------------------------------------------------------------------- errors
@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("model", "weights", "message"),
    [("ViT-B32", "openai", 'no model "ViT-B32"\n.*ViT-B-32'), ("ViT-B-32", "opnai", 'no weights "opnai"\n.*openai')],
)
def test_an_unknown_model_lists_similar_ones(model: str, weights: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        text.load(model, weights, torch.device("cpu"))


def test_weights_that_are_not_there_name_the_command_and_the_way_by_hand(
    tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_in_the_cache(*_: object, **__: object) -> None:
        raise FileNotFoundError("many\nlines")

    monkeypatch.setattr(tiny, "create_model", not_in_the_cache)
    with pytest.raises(ArtkitError, match=r"of open_clip/ViT-B-32/openai are not on this machine") as raised:
        text.load("ViT-B-32", "openai", torch.device("cpu"))
    assert "artkit download open_clip/ViT-B-32/openai" in raised.value.hint
    assert "pretrained =" in raised.value.hint


def test_without_open_clip_the_error_names_the_extra(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    text.load.cache_clear()
    with pytest.raises(ArtkitError, match=r"needs open_clip\n.*neural-artkit\[text\]"):
        Text(Text.Config(text="a bee"), scene())


def test_weights_may_be_a_file(tiny: Any, scene: Callable[..., Scene], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    model = text.load("tiny", "toy", torch.device("cpu")).model
    save_file(model.state_dict(), tmp_path / "by hand.safetensors")
    config = Text.Config(
        text="a bee", model="tiny", pretrained=str(tmp_path / "by hand.safetensors"), **NO_AUGMENTATION
    )
    named = Text.Config(text="a bee", model="tiny", pretrained="toy", **NO_AUGMENTATION)
    view = view_of(random_images())
    assert float(Text(config, scene())(view)) == pytest.approx(float(Text(named, scene())(view)))
    (tmp_path / "by hand.safetensors").write_bytes(b"damaged")
    text.load.cache_clear()
    with pytest.raises(UsageError, match=r"by hand\.safetensors does not hold weights of tiny"):
        Text(config, scene())
    with pytest.raises(ValueError, match="there is no file"):
        Text.Config(text="a bee", pretrained="missing.safetensors")
