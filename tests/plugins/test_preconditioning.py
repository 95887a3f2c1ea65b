"""Strokes are compared with those of the example that looks like the picture, laid over it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from artkit.errors import UsageError
from artkit.geometry.window import Window
from artkit.interfaces.data import Data
from artkit.interfaces.scene import Scene
from artkit.interfaces.view import View
from artkit.recipes.validation import build_config
from artkit.testing import scene

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


class Given(Data):
    """Pictures of strokes, some of which nobody has an example of."""

    name = "given"
    classes = ("corner", "cross", "ring")

    def __len__(self) -> int:
        return 1

    def images(self, numbers: Tensor) -> Tensor:
        raise NotImplementedError


@pytest.fixture
def hand(tmp_path: Path) -> Callable[..., tuple[Any, Scene]]:
    def make(text: str = STROKES, **told: Any) -> tuple[Any, Scene]:
        (tmp_path / "strokes.toml").write_text(text)
        made = scene((64, 64), renderer="gan", canvas="single", data=Given)
        made.renderer = made.make("renderer", "gan", grain=False)
        made.background = torch.ones(3)
        made.canvas = made.make("canvas", "single", strokes=2)
        made.constraints = (made.make("constraint", "colour"),)
        return made.make("objective", "preconditioning", examples=str(tmp_path / "strokes.toml"), **told), made

    return make


def strokes(*points: float) -> list[float]:
    """A straight stroke from x, y to x, y, as an action of full pressure."""
    x0, y0, x1, y1 = points
    return [x0, y0, (x0 + x1) / 2, (y0 + y1) / 2, x1, y1, 1.0, 1.0, 0.2, 0.0, 0.0, 0.0]


CORNER = torch.tensor([strokes(0.3, 0.3, 0.3, 0.7), strokes(0.3, 0.7, 0.7, 0.7)])
CROSS = torch.tensor([strokes(0.3, 0.3, 0.7, 0.7), strokes(0.7, 0.3, 0.3, 0.7)])


def drawn(made: Scene, actions: Tensor) -> Tensor:
    assert made.canvas is not None
    assert made.renderer is not None
    return made.canvas.render(made.renderer, actions[None], made.background)


def look(made: Scene, shown: Tensor, proposed: Tensor, label: int | None = None) -> View:
    actions = proposed[None].clone().requires_grad_()
    labels = None if label is None else torch.tensor([label])
    return View(torch.zeros(1, 3, 64, 64), drawn(made, shown), Window(0, 0, 64, 64), 0.0, actions, actions, labels)


@pytest.mark.parametrize("fit", [True, False])
@pytest.mark.parametrize(("shown", "label"), [(CORNER, 0), (CROSS, 1), (CORNER, None), (CROSS, None)])
def test_strokes_drawn_as_in_the_example_cost_nothing(hand: Any, shown: Tensor, label: int | None, fit: bool) -> None:
    objective, made = hand(fit=fit)
    right = objective(look(made, shown, shown, label))
    other = objective(look(made, shown, shown.flip(0), label))
    assert right.item() < 0.001
    assert other.item() > 0.02


def test_a_known_class_is_compared_with_its_own_examples(hand: Any) -> None:
    """What looks like a corner and is a cross is to be drawn as a cross."""
    objective, made = hand(fit=False)
    as_cross = objective(look(made, CORNER, CROSS, 1))
    as_corner = objective(look(made, CORNER, CORNER, 1))
    assert as_cross < as_corner


def test_the_example_that_looks_most_like_the_picture_is_taken(hand: Any) -> None:
    objective, made = hand(fit=False)
    upright = torch.tensor([strokes(0.5, 0.8, 0.5, 0.2), strokes(0.8, 0.5, 0.2, 0.5)])
    assert objective(look(made, upright, upright, 1)).item() < 0.001
    assert objective(look(made, CROSS, CROSS, 1)).item() < 0.001


def test_an_example_is_laid_over_the_picture(hand: Any) -> None:
    """What is wanted of a picture that is moved, stretched and slanted are strokes that are so."""
    fitted, made = hand()
    moved = CORNER.clone()
    places = moved[:, :6].view(2, 3, 2)
    x, y = places.unbind(-1)
    moved[:, :6] = torch.stack([0.6 * (x - 0.2 * y) + 0.1, 0.5 * y + 0.4], dim=-1).view(2, 6)
    plain, _ = hand(fit=False)
    assert fitted(look(made, moved, moved, 0)).item() < 0.001
    assert plain(look(made, moved, moved, 0)).item() > 0.01


def test_what_an_example_does_not_say_is_free(hand: Any) -> None:
    objective, made = hand(fit=False)
    view = look(made, CROSS, CROSS * 0.9, 1)
    (slope,) = torch.autograd.grad(objective(view).sum(), view.raw_actions)
    said = slope[0] != 0
    assert said[0, :9].all()
    assert said[1, :6].all()
    assert not said[1, 6:9].any()
    assert not said[:, 9:].any()


def test_a_class_without_example_is_left_alone(hand: Any) -> None:
    objective, made = hand()
    assert objective(look(made, CORNER, CROSS, 2)).item() == 0


def test_a_picture_without_ink_is_no_trouble(hand: Any) -> None:
    objective, made = hand()
    view = look(made, CORNER, CROSS, 0)
    view.target = torch.ones(1, 3, 64, 64)
    assert math.isfinite(objective(view).item())


def test_examples_of_no_class_of_the_data_are_refused(hand: Any) -> None:
    with pytest.raises(UsageError, match='"square", which is no class'):
        hand(STROKES.replace("corner", "square"))


def test_it_needs_data_and_one_tile(tmp_path: Path) -> None:
    (tmp_path / "strokes.toml").write_text(STROKES)
    told = {"examples": str(tmp_path / "strokes.toml")}
    with pytest.raises(UsageError, match="pictures to learn from"):
        scene(renderer="gan", canvas="single").make("objective", "preconditioning", **told)
    with pytest.raises(UsageError, match="one tile"):
        scene(renderer="gan", data=Given).make("objective", "preconditioning", **told)


def test_schedules_of_weights(tmp_path: Path) -> None:
    (tmp_path / "strokes.toml").write_text(STROKES)
    settings = build_config(
        type(_hand(tmp_path)), {"examples": str(tmp_path / "strokes.toml"), "weight": [[0.2, 8.0], [0.6, 0.0]]}, ""
    )
    objective = _hand(tmp_path)
    objective.config = settings
    assert [objective.weight(at) for at in (0.0, 0.2, 0.4, 0.6, 1.0)] == [8.0, 8.0, 4.0, None, None]


def _hand(folder: Path) -> Any:
    made = scene(renderer="gan", canvas="single", data=Given)
    return made.make("objective", "preconditioning", examples=str(folder / "strokes.toml"))
