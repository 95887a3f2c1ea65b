"""The `gan` renderer, and canvases painted with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.renderer import Renderer
from artkit.interfaces.scene import Scene
from artkit.rendering import window_rendering as compositing
from artkit_mypaint import dabs as dabs
from artkit_mypaint.action_spaces import SHAPE_SIZE
from artkit_painters import geometry_painter as geometry

Actions = Callable[..., Tensor]


def one_by_one(
    canvas: Canvas,
    renderer: Renderer,
    actions: Tensor,
    background: Tensor,
    seed: int,
    scale: int = 1,
    margin_of: Callable[[Renderer, int], int] | None = None,
) -> Tensor:
    """The picture (3, h, w) of actions (N, 12) by the definition: stroke after stroke, each on its own sheet."""
    tiles, (width, height), far = canvas.tiles() * scale, canvas.size, 512
    size = (width * scale, height * scale)
    ground = background.view(3, 1, 1).expand(3, size[1] + 2 * far, size[0] + 2 * far).clone()
    for number, (x, y, side) in enumerate(tiles.tolist()):
        margin = (margin_of or canvas.margin)(renderer, side)
        place = Place(torch.tensor([[x, y]]), side, margin, torch.tensor([number]), size, seed, float(scale))
        colour, coverage = (t[0] for t in renderer(actions[number : number + 1], place))
        sheet = side + 2 * margin
        there = ground[:, far + y - margin :, far + x - margin :][:, :sheet, :sheet]
        there += coverage * (colour - there)
    return ground[:, far : far + size[1], far : far + size[0]]


def nearest_of(canvas: Canvas, renderer: Renderer, actions: Tensor, background: Tensor, enlarged: Tensor) -> float:
    """How far a picture at scale 2 and seed 4 is from what it must be. The margin of an enlarged tile may be rounded
    otherwise than the tile's own, enlarged: either will do.
    """
    margins = (canvas.margin, lambda r, side: 2 * canvas.margin(r, side // 2))
    return min(
        float((enlarged - one_by_one(canvas, renderer, actions, background, 4, 2, margin_of)).abs().max())
        for margin_of in margins
    )


CANVASES: dict[str, tuple[str, dict[str, Any], tuple[int, int]]] = {
    "grid": ("grid", {"tile": 64, "overlap": 32, "strokes": 2}, (101, 77)),
    "clipped grid": ("grid", {"tile": 48, "overlap": 20, "strokes": 2, "clip": True}, (90, 61)),
    "small tiles": ("grid", {"tile": 20, "overlap": 6, "strokes": 2}, (63, 45)),
    "odd tiles": ("grid", {"tile": 33, "overlap": 7, "bleed": 0, "strokes": 1}, (80, 59)),
    "pyramid": ("pyramid", {"tiles": (64, 32), "strokes": (1, 1), "overlap": 0.25}, (95, 70)),
    "pyramid of equal levels": ("pyramid", {"tiles": (40, 20, 40), "strokes": (1, 1, 1)}, (61, 50)),
    "single": ("single", {"strokes": 5}, (70, 41)),
}


@pytest.fixture(params=CANVASES)
def painting(
    request: pytest.FixtureRequest, scene: Callable[..., Scene], random_actions: Actions
) -> tuple[Canvas, Renderer, Tensor, Tensor]:
    """A canvas, its renderer, actions and a ground."""
    kind, told, size = CANVASES[request.param]
    made = scene(size, background=(0.9, 0.3, 0.5))
    made.renderer = made.make("renderer", "gan")
    canvas = made.make("canvas", kind, **told)
    assert made.renderer is not None
    return canvas, made.renderer, random_actions(canvas.stroke_count, seed=1, start_pressure=0.9), made.background


def test_all_at_once_is_stroke_after_stroke(painting: tuple[Canvas, Renderer, Tensor, Tensor]) -> None:
    canvas, renderer, actions, ground = painting
    with torch.no_grad():
        picture = canvas.render(renderer, actions[None], ground, seed=4)
        expected = one_by_one(canvas, renderer, actions, ground, 4)
    torch.testing.assert_close(picture[0], expected, atol=1e-4, rtol=0)
    assert (picture - ground.view(1, 3, 1, 1)).abs().max() > 0.3


def test_twice_as_large_too(painting: tuple[Canvas, Renderer, Tensor, Tensor]) -> None:
    canvas, renderer, actions, ground = painting
    width, height = canvas.size
    with torch.no_grad():
        picture = canvas.render(renderer, actions[None], ground, 4, Window(0, 0, 2 * width, 2 * height, 2.0))
        assert nearest_of(canvas, renderer, actions, ground, picture[0]) < 1e-4


def test_any_window_is_cut_from_the_whole(painting: tuple[Canvas, Renderer, Tensor, Tensor]) -> None:
    canvas, renderer, actions, ground = painting
    with torch.no_grad():
        whole = canvas.render(renderer, actions[None], ground, seed=4)
        for x, y, width, height in ((0, 0, 9, 30), (31, 17, 30, 22), (canvas.size[0] - 5, 3, 5, 7)):
            window = canvas.render(renderer, actions[None], ground, 4, Window(x, y, width, height))
            torch.testing.assert_close(window, whole[..., y : y + height, x : x + width], atol=1e-4, rtol=0)


def test_of_large_strokes_only_what_is_seen_is_painted(
    painting: tuple[Canvas, Renderer, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    canvas, renderer, actions, ground = painting
    width, height = canvas.size
    with torch.no_grad():
        whole = canvas.render(renderer, actions[None], ground, 4, Window(0, 0, 3 * width, 3 * height, 3.0))
        monkeypatch.setattr(compositing, "_MAX_PATCH_SIDE", 150)
        for x, y, w, h in ((0, 0, 3 * width, 3 * height), (41, 17, 70, 82), (3 * width - 25, 31, 25, 30)):
            window = canvas.render(renderer, actions[None], ground, 4, Window(x, y, w, h, 3.0))
            torch.testing.assert_close(window, whole[..., y : y + h, x : x + w], atol=1e-4, rtol=0)


def test_several_pictures_are_painted_apart(scene: Callable[..., Scene], random_actions: Actions) -> None:
    made = scene((70, 50))
    renderer = made.make("renderer", "gan")
    made.renderer = renderer
    canvas: Canvas = made.make("canvas", "grid", strokes=1)
    actions = random_actions(3 * canvas.stroke_count).view(3, canvas.stroke_count, 12)
    with torch.no_grad():
        together = canvas.render(renderer, actions, made.background)
        alone = torch.cat([canvas.render(renderer, actions[i : i + 1], made.background) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    assert (alone[0] - alone[1]).abs().max() > 0.2


def test_colour_is_the_action_s(scene: Callable[..., Scene], random_actions: Actions) -> None:
    renderer = scene().make("renderer", "gan")
    actions = random_actions(5)
    place = Place(torch.zeros(5, 2), 64, 16, torch.arange(5), (64, 64), 0)
    colour, coverage = renderer(actions, place)
    assert torch.equal(colour.flatten(1), actions[:, SHAPE_SIZE:])
    assert coverage.shape == (5, 1, 96, 96)
    assert coverage.min() >= 0
    assert coverage.max() <= 1


def test_seed_and_number_choose_the_grain(scene: Callable[..., Scene], random_actions: Actions) -> None:
    renderer = scene().make("renderer", "gan")
    actions = random_actions(1, size=0.7, start_pressure=0.8, end_pressure=0.8)

    def paint(number: int, seed: int) -> Tensor:
        place = Place(torch.zeros(1, 2), 64, 16, torch.tensor([number]), (64, 64), seed)
        coverage: Tensor = renderer(actions, place).coverage
        return coverage

    assert torch.equal(paint(3, 5), paint(3, 5))
    assert not torch.equal(paint(3, 5), paint(4, 5))
    assert not torch.equal(paint(3, 5), paint(3, 6))


@pytest.mark.parametrize("grain", [True, False])
def test_gradients_are_the_same_some_at_a_time(
    scene: Callable[..., Scene], random_actions: Actions, monkeypatch: pytest.MonkeyPatch, grain: bool
) -> None:
    """Of many strokes nothing is kept for the gradient, and few of them are computed at a time."""
    renderer = scene().make("renderer", "gan", grain=grain)
    place = Place(torch.zeros(12, 2), 64, 16, torch.arange(12), (64, 64), 0)
    looked_at = torch.randn(96, 96, generator=torch.Generator().manual_seed(0))

    def gradient() -> tuple[Tensor, Tensor]:
        actions = random_actions(12).requires_grad_()
        coverage = renderer(actions, place).coverage
        (slope,) = torch.autograd.grad((coverage * looked_at).sum(), actions)
        return coverage.detach(), slope

    kept = gradient()
    monkeypatch.setattr(geometry, "_KEPT", 0)
    monkeypatch.setattr(geometry, "_CELLS", 1500)
    monkeypatch.setattr(dabs, "_PIXELS", 1500)
    again = gradient()
    torch.testing.assert_close(again[0], kept[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(again[1], kept[1], atol=1e-2, rtol=1e-3)
    assert kept[1].abs().max() > 1


def test_paint_at_the_edges_of_neighbours_enlarged(scene: Callable[..., Scene]) -> None:
    """Sheets of one phase lie side by side; enlarged they still must not overlap, or paint at their edges is lost."""
    made = scene((56, 56))
    renderer = made.make("renderer", "gan")
    made.renderer = renderer
    canvas: Canvas = made.make("canvas", "grid", tile=20, overlap=6, bleed=0, strokes=1)
    # Broad strokes along the right and the left edges of their tiles.
    along = torch.tensor([[1.0, 0.0, 1.0, 0.5, 1.0, 1.0, 0.9, 0.9, 1.0, 0.1, 0.2, 0.8]])
    actions = along.repeat(canvas.stroke_count, 1)
    actions[1::2, 0:6:2] = 0.0
    with torch.no_grad():
        picture = canvas.render(renderer, actions[None], made.background, 4, Window(0, 0, 112, 112, 2.0))
        assert nearest_of(canvas, renderer, actions, made.background, picture[0]) < 1e-4
