"""Tests of the renderer `gan`, and of canvases rendered with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from artkit import Canvas, Place, Renderer, Scene, Window
from artkit.rendering import window_rendering
from artkit_mypaint import dabs
from artkit_mypaint.action_spaces import SHAPE_SIZE
from artkit_painters import geometry_painter

Actions = Callable[..., Tensor]

CANVASES: dict[str, tuple[str, dict[str, Any], tuple[int, int]]] = {
    "grid": ("grid", {"tile": 64, "overlap": 32, "strokes": 2}, (101, 77)),
    "clipped grid": ("grid", {"tile": 48, "overlap": 20, "strokes": 2, "clip": True}, (90, 61)),
    "small tiles": ("grid", {"tile": 20, "overlap": 6, "strokes": 2}, (63, 45)),
    "odd tiles": ("grid", {"tile": 33, "overlap": 7, "bleed": 0, "strokes": 1}, (80, 59)),
    "pyramid": ("pyramid", {"tiles": (64, 32), "strokes": (1, 1), "overlap": 0.25}, (95, 70)),
    "pyramid of equal levels": ("pyramid", {"tiles": (40, 20, 40), "strokes": (1, 1, 1)}, (61, 50)),
    "single": ("single", {"strokes": 5}, (70, 41)),
}


class Painting(NamedTuple):
    """Everything that is needed to render a picture; actions (N, 12), background (3,)."""

    canvas: Canvas
    renderer: Renderer
    actions: Tensor
    background: Tensor

    def render(self, window: Window | None = None) -> Tensor:
        """Render the whole picture, or a window, with seed 4: (1, 3, h, w)."""
        arguments = () if window is None else (window,)
        return self.canvas.render(self.renderer, self.actions[None], self.background, 4, *arguments)

    def render_stroke_by_stroke(
        self, scale: int = 1, margin_of: Callable[[Renderer, int], int] | None = None
    ) -> Tensor:
        """Composite one stroke after another, each on its own patch, with seed 4: (3, h, w)."""
        tiles, (width, height), padding = self.canvas.tiles() * scale, self.canvas.size, 512
        size = (width * scale, height * scale)
        base = self.background.view(3, 1, 1).expand(3, size[1] + 2 * padding, size[0] + 2 * padding).clone()
        for index, (x, y, side) in enumerate(tiles.tolist()):
            margin = (margin_of or self.canvas.margin)(self.renderer, side)
            place = Place(torch.tensor([[x, y]]), side, margin, torch.tensor([index]), size, 4, float(scale))
            colour, coverage = (values[0] for values in self.renderer(self.actions[index : index + 1], place))
            patch = base[:, padding + y - margin :, padding + x - margin :]
            patch = patch[:, : side + 2 * margin, : side + 2 * margin]
            patch += coverage * (colour - patch)
        return base[:, padding : padding + size[1], padding : padding + size[0]]

    def error_of_enlarged(self, enlarged: Tensor) -> float:
        """Maximum error of a picture at scale 2.

        The margin of an enlarged tile may be rounded or be the enlarged margin of the tile; both are correct.
        """
        margins = (self.canvas.margin, lambda renderer, side: 2 * self.canvas.margin(renderer, side // 2))
        return min(float((enlarged - self.render_stroke_by_stroke(2, margin)).abs().max()) for margin in margins)


@pytest.fixture(params=CANVASES)
def painting(request: pytest.FixtureRequest, scene: Callable[..., Scene], random_actions: Actions) -> Painting:
    name, options, size = CANVASES[request.param]
    own_scene = scene(size, background=(0.9, 0.3, 0.5))
    renderer: Renderer = own_scene.make("renderer", "gan")
    own_scene.renderer = renderer
    canvas = own_scene.make("canvas", name, **options)
    actions = random_actions(canvas.stroke_count, seed=1, start_pressure=0.9)
    return Painting(canvas, renderer, actions, own_scene.background)


# ------------------------------------------------------------------------------------------------------------- canvases
def test_picture_equals_compositing_stroke_by_stroke(painting: Painting) -> None:
    with torch.no_grad():
        picture = painting.render()
        expected = painting.render_stroke_by_stroke()
    torch.testing.assert_close(picture[0], expected, atol=1e-4, rtol=0)
    assert (picture - painting.background.view(1, 3, 1, 1)).abs().max() > 0.3


def test_enlarged_picture_equals_compositing_stroke_by_stroke(painting: Painting) -> None:
    width, height = painting.canvas.size
    with torch.no_grad():
        picture = painting.render(Window(0, 0, 2 * width, 2 * height, 2.0))
        assert painting.error_of_enlarged(picture[0]) < 1e-4


def test_windows_equal_crops_of_the_picture(painting: Painting) -> None:
    with torch.no_grad():
        whole = painting.render()
        for x, y, width, height in ((0, 0, 9, 30), (31, 17, 30, 22), (painting.canvas.size[0] - 5, 3, 5, 7)):
            window = painting.render(Window(x, y, width, height))
            torch.testing.assert_close(window, whole[..., y : y + height, x : x + width], atol=1e-4, rtol=0)


def test_windows_of_large_patches_equal_crops_of_the_picture(
    painting: Painting, monkeypatch: pytest.MonkeyPatch
) -> None:
    width, height = (3 * length for length in painting.canvas.size)
    with torch.no_grad():
        whole = painting.render(Window(0, 0, width, height, 3.0))
        monkeypatch.setattr(window_rendering, "_MAX_PATCH_SIDE", 150)
        for x, y, w, h in ((0, 0, width, height), (41, 17, 70, 82), (width - 25, 31, 25, 30)):
            window = painting.render(Window(x, y, w, h, 3.0))
            torch.testing.assert_close(window, whole[..., y : y + h, x : x + w], atol=1e-4, rtol=0)


def test_batch_of_pictures_equals_single_pictures(scene: Callable[..., Scene], random_actions: Actions) -> None:
    own_scene = scene((70, 50))
    own_scene.renderer = renderer = own_scene.make("renderer", "gan")
    canvas: Canvas = own_scene.make("canvas", "grid", strokes=1)
    actions = random_actions(3 * canvas.stroke_count).view(3, canvas.stroke_count, 12)
    with torch.no_grad():
        batch = canvas.render(renderer, actions, own_scene.background)
        single = torch.cat([canvas.render(renderer, actions[i : i + 1], own_scene.background) for i in range(3)])
    torch.testing.assert_close(batch, single, atol=1e-5, rtol=0)
    assert (single[0] - single[1]).abs().max() > 0.2


def test_paint_at_the_edges_of_neighbouring_enlarged_tiles_is_complete(scene: Callable[..., Scene]) -> None:
    """Patches of one phase are adjacent; if they overlapped when enlarged, paint at their edges would be lost."""
    own_scene = scene((56, 56))
    own_scene.renderer = renderer = own_scene.make("renderer", "gan")
    canvas: Canvas = own_scene.make("canvas", "grid", tile=20, overlap=6, bleed=0, strokes=1)
    # Wide strokes along the right and the left edges of their tiles.
    right_edge = torch.tensor([[1.0, 0.0, 1.0, 0.5, 1.0, 1.0, 0.9, 0.9, 1.0, 0.1, 0.2, 0.8]])
    actions = right_edge.repeat(canvas.stroke_count, 1)
    actions[1::2, 0:6:2] = 0.0
    painting = Painting(canvas, renderer, actions, own_scene.background)
    with torch.no_grad():
        picture = painting.render(Window(0, 0, 112, 112, 2.0))
        assert painting.error_of_enlarged(picture[0]) < 1e-4


# -------------------------------------------------------------------------------------------------------------- strokes
def test_colour_is_that_of_the_action_and_coverage_is_in_range(
    scene: Callable[..., Scene], random_actions: Actions
) -> None:
    renderer = scene().make("renderer", "gan")
    actions = random_actions(5)
    place = Place(torch.zeros(5, 2), 64, 16, torch.arange(5), (64, 64), 0)
    colour, coverage = renderer(actions, place)
    assert torch.equal(colour.flatten(1), actions[:, SHAPE_SIZE:])
    assert coverage.shape == (5, 1, 96, 96)
    assert coverage.min() >= 0
    assert coverage.max() <= 1


def test_noise_depends_on_seed_and_stroke_index(scene: Callable[..., Scene], random_actions: Actions) -> None:
    renderer = scene().make("renderer", "gan")
    actions = random_actions(1, size=0.7, start_pressure=0.8, end_pressure=0.8)

    def paint(index: int, seed: int) -> Tensor:
        place = Place(torch.zeros(1, 2), 64, 16, torch.tensor([index]), (64, 64), seed)
        coverage: Tensor = renderer(actions, place).coverage
        return coverage

    assert torch.equal(paint(3, 5), paint(3, 5))
    assert not torch.equal(paint(3, 5), paint(4, 5))
    assert not torch.equal(paint(3, 5), paint(3, 6))


@pytest.mark.parametrize("grain", [True, False])
def test_gradients_do_not_depend_on_the_chunk_size(
    scene: Callable[..., Scene], random_actions: Actions, monkeypatch: pytest.MonkeyPatch, grain: bool
) -> None:
    """Nor on whether intermediate results are stored or computed again."""
    renderer = scene().make("renderer", "gan", grain=grain)
    place = Place(torch.zeros(12, 2), 64, 16, torch.arange(12), (64, 64), 0)
    pixel_weights = torch.randn(96, 96, generator=torch.Generator().manual_seed(0))

    def coverage_and_gradient() -> tuple[Tensor, Tensor]:
        actions = random_actions(12).requires_grad_()
        coverage = renderer(actions, place).coverage
        (gradient,) = torch.autograd.grad((coverage * pixel_weights).sum(), actions)
        return coverage.detach(), gradient

    coverage, gradient = coverage_and_gradient()
    monkeypatch.setattr(geometry_painter, "_MAX_STORED_STROKES", 0)
    monkeypatch.setattr(geometry_painter, "_CHUNK_CELLS", 1500)
    monkeypatch.setattr(dabs, "_MAX_BATCH_PIXELS", 1500)
    chunked_coverage, chunked_gradient = coverage_and_gradient()
    torch.testing.assert_close(chunked_coverage, coverage, atol=1e-5, rtol=0)
    torch.testing.assert_close(chunked_gradient, gradient, atol=1e-2, rtol=1e-3)
    assert gradient.abs().max() > 1
