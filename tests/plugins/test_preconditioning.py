"""The preconditioning objective: selection of an example, its fit to the target, and values that it leaves open."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from artkit import testing
from artkit.errors import UsageError
from artkit.geometry.window import Window
from artkit.interfaces.data import Data
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit.recipes.validation import build_config

STROKES = """
[[example]]
class = "cross"
strokes = [{ from = [0.3, 0.3], to = [0.7, 0.7], pressure = 1, size = 0.2 }, { from = [0.7, 0.3], to = [0.3, 0.7] }]

[[example]] # upright
class = "cross"
strokes = [{ from = [0.5, 0.8], to = [0.5, 0.2] }, { from = [0.8, 0.5], to = [0.2, 0.5] }]

[[example]]
class = "corner"
strokes = [{ from = [0.3, 0.3], to = [0.3, 0.7], pressure = 1 }, { to = [0.7, 0.7], pressure = 1 }]
"""
CORNER_LABEL, CROSS_LABEL, RING_LABEL = range(3)


class Shapes(Data):
    """Classes of shapes; there is no example of a ring."""

    name = "shapes"
    classes = ("corner", "cross", "ring")

    def __len__(self) -> int:
        return 1

    def images(self, indices: Tensor) -> Tensor:
        raise NotImplementedError


@pytest.fixture
def objective(tmp_path: Path) -> Callable[..., tuple[Any, Scene]]:
    """Make an objective for examples, and its scene: two black strokes on white."""

    def make(text: str = STROKES, **settings: Any) -> tuple[Any, Scene]:
        (tmp_path / "strokes.toml").write_text(text)
        scene = testing.scene((64, 64), renderer="gan", canvas="single", data=Shapes)
        scene.renderer = scene.make("renderer", "gan", grain=False)
        scene.background = torch.ones(3)
        scene.canvas = scene.make("canvas", "single", strokes=2)
        scene.constraints = (scene.make("constraint", "colour"),)
        return scene.make("objective", "preconditioning", examples=str(tmp_path / "strokes.toml"), **settings), scene

    return make


def straight_stroke(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    """The action of a straight black stroke with full pressure."""
    return [x0, y0, (x0 + x1) / 2, (y0 + y1) / 2, x1, y1, 1.0, 1.0, 0.2, 0.0, 0.0, 0.0]


CORNER = torch.tensor([straight_stroke(0.3, 0.3, 0.3, 0.7), straight_stroke(0.3, 0.7, 0.7, 0.7)])
CROSS = torch.tensor([straight_stroke(0.3, 0.3, 0.7, 0.7), straight_stroke(0.7, 0.3, 0.3, 0.7)])
UPRIGHT_CROSS = torch.tensor([straight_stroke(0.5, 0.8, 0.5, 0.2), straight_stroke(0.8, 0.5, 0.2, 0.5)])


def view_of(scene: Scene, target_strokes: Tensor, proposed: Tensor, label: int | None = None) -> View:
    """A view whose target is the rendering of strokes and whose actions are the proposed ones."""
    assert scene.canvas is not None
    assert scene.renderer is not None
    target = scene.canvas.render(scene.renderer, target_strokes[None], scene.background)
    actions = proposed[None].clone().requires_grad_()
    labels = None if label is None else torch.tensor([label])
    return View(torch.zeros(1, 3, 64, 64), target, Window(0, 0, 64, 64), 0.0, actions, actions, labels)


@pytest.mark.parametrize("fit", [True, False])
@pytest.mark.parametrize(
    ("strokes", "label"), [(CORNER, CORNER_LABEL), (CROSS, CROSS_LABEL), (CORNER, None), (CROSS, None)]
)
def test_the_loss_of_the_strokes_of_the_example_is_zero(
    objective: Any, strokes: Tensor, label: int | None, fit: bool
) -> None:
    loss, scene = objective(fit=fit)
    assert loss(view_of(scene, strokes, strokes, label)).item() < 0.001
    assert loss(view_of(scene, strokes, strokes.flip(0), label)).item() > 0.02


def test_a_target_with_a_class_is_compared_with_examples_of_that_class(objective: Any) -> None:
    """The target resembles a corner but is labelled as a cross."""
    loss, scene = objective(fit=False)
    as_cross = loss(view_of(scene, CORNER, CROSS, CROSS_LABEL))
    as_corner = loss(view_of(scene, CORNER, CORNER, CROSS_LABEL))
    assert as_cross < as_corner


def test_the_example_most_similar_to_the_target_is_used(objective: Any) -> None:
    loss, scene = objective(fit=False)
    assert loss(view_of(scene, UPRIGHT_CROSS, UPRIGHT_CROSS, CROSS_LABEL)).item() < 0.001
    assert loss(view_of(scene, CROSS, CROSS, CROSS_LABEL)).item() < 0.001


def test_the_example_is_fitted_to_the_target(objective: Any) -> None:
    """For a target that is translated, stretched and slanted the expected strokes are too."""
    fitted, scene = objective()
    transformed = CORNER.clone()
    x, y = transformed[:, :6].view(2, 3, 2).unbind(-1)
    transformed[:, :6] = torch.stack([0.6 * (x - 0.2 * y) + 0.1, 0.5 * y + 0.4], dim=-1).view(2, 6)
    unfitted, _ = objective(fit=False)
    assert fitted(view_of(scene, transformed, transformed, CORNER_LABEL)).item() < 0.001
    assert unfitted(view_of(scene, transformed, transformed, CORNER_LABEL)).item() > 0.01


def test_values_that_an_example_leaves_open_get_no_gradient(objective: Any) -> None:
    loss, scene = objective(fit=False)
    view = view_of(scene, CROSS, CROSS * 0.9, CROSS_LABEL)
    (gradient,) = torch.autograd.grad(loss(view).sum(), view.raw_actions)
    has_gradient = gradient[0] != 0
    assert has_gradient[0, :9].all()
    assert has_gradient[1, :6].all()
    assert not has_gradient[1, 6:9].any()
    assert not has_gradient[:, 9:].any()


def test_the_loss_of_a_class_without_examples_is_zero(objective: Any) -> None:
    loss, scene = objective()
    assert loss(view_of(scene, CORNER, CROSS, RING_LABEL)).item() == 0


def test_the_loss_of_a_blank_target_is_finite(objective: Any) -> None:
    loss, scene = objective()
    view = view_of(scene, CORNER, CROSS, CORNER_LABEL)
    view.target = torch.ones(1, 3, 64, 64)
    assert math.isfinite(loss(view).item())


def test_examples_of_an_unknown_class_are_rejected(objective: Any) -> None:
    with pytest.raises(UsageError, match='"square", which is not a class'):
        objective(STROKES.replace("corner", "square"))


def test_it_needs_data_and_a_single_tile(tmp_path: Path) -> None:
    (tmp_path / "strokes.toml").write_text(STROKES)
    settings = {"examples": str(tmp_path / "strokes.toml")}
    with pytest.raises(UsageError, match="needs images to train with"):
        testing.scene(renderer="gan", canvas="single").make("objective", "preconditioning", **settings)
    with pytest.raises(UsageError, match="one tile"):
        testing.scene(renderer="gan", data=Shapes).make("objective", "preconditioning", **settings)


def test_its_weight_follows_a_schedule(objective: Any, tmp_path: Path) -> None:
    loss, _ = objective()
    settings = {"examples": str(tmp_path / "strokes.toml"), "weight": [[0.2, 8.0], [0.6, 0.0]]}
    loss.config = build_config(type(loss), settings, "")
    assert [loss.weight(progress) for progress in (0.0, 0.2, 0.4, 0.6, 1.0)] == [8.0, 8.0, 4.0, None, None]
