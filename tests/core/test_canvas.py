"""Canvases and their rendering: phases give the same picture as single strokes, in any window and at any scale."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from artkit import memory
from artkit.errors import UsageError
from artkit.geometry.place import Place
from artkit.geometry.window import Window
from artkit.interfaces.canvas import Canvas
from artkit.interfaces.scene import Scene
from artkit.registry.plugin_registry import get_registry
from artkit.rendering import window_rendering


def _build_nothing(*_: Any, **__: Any) -> Any:
    raise AssertionError("this scene builds no components")


def _scene(size: tuple[int, int]) -> Scene:
    return Scene(size, torch.device("cpu"), 3, torch.Generator().manual_seed(3), torch.ones(3), _build_nothing)


def _build(
    toy: Any, size: tuple[int, int], canvas_type: str, config: dict[str, Any], **renderer_config: Any
) -> tuple[Canvas, Any]:
    """Build a canvas and the toy renderer that it is for."""
    scene = _scene(size)
    renderer = toy.Blob(toy.Blob.Config(**renderer_config), scene)
    scene.renderer = renderer
    component = get_registry().component("canvas", canvas_type)
    canvas: Canvas = component(component.Config(**config), scene)
    return canvas, renderer


def _actions(canvas: Canvas, n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, canvas.stroke_count, 6, generator=generator, dtype=torch.float64)


BACKGROUND = torch.tensor([0.9, 0.7, 0.5], dtype=torch.float64)
SEED = 11


def _record_places(renderer: Any) -> list[Place]:
    """Return a list that collects the places of all later calls of the renderer."""
    places: list[Place] = []
    forward = renderer.forward

    def record(actions: Tensor, place: Place) -> Any:
        places.append(place)
        return forward(actions, place)

    renderer.forward = record
    return places


def _render_one_by_one(
    canvas: Canvas, renderer: Any, actions: Tensor, scale: int = 1, margins: dict[int, int] | None = None
) -> Tensor:
    """Render one stroke after the other, on a picture large enough for the paint beyond its edges, and crop it."""
    width, height = (length * scale for length in canvas.size)
    tiles = canvas.tiles() * scale
    border = 3 * int(tiles[:, 2].max()) + 4 * int(tiles[:, :2].abs().max() > 0)
    picture = BACKGROUND.view(1, 3, 1, 1).repeat(len(actions), 1, height + 2 * border, width + 2 * border)
    for stroke, (x, y, side) in enumerate(tiles.tolist()):
        margin = margins[side] if margins else canvas.margin(renderer, side)
        place = Place(
            origin=torch.tensor([[x, y]]),
            side=side,
            margin=margin,
            stroke_index=torch.tensor([stroke]),
            size=(width, height),
            seed=SEED,
            scale=scale,
        )
        for index in range(len(actions)):
            colour, coverage = renderer(actions[index, stroke][None], place)
            top, left = border + y - margin, border + x - margin
            below = picture[index, :, top : top + place.patch_size, left : left + place.patch_size]
            below.copy_(coverage[0] * colour[0] + (1 - coverage[0]) * below)
    return picture[:, :, border : border + height, border : border + width]


@st.composite
def _grids(draw: st.DrawFn) -> dict[str, Any]:
    tile = draw(st.integers(8, 24))
    return {
        "tile": tile,
        "overlap": draw(st.integers(0, tile * 3 // 4)),
        "bleed": draw(st.none() | st.integers(0, tile)),
        "strokes": draw(st.integers(1, 3)),
        "clip": draw(st.booleans()),
    }


@st.composite
def _pyramids(draw: st.DrawFn) -> dict[str, Any]:
    tiles = draw(st.lists(st.integers(8, 32), min_size=1, max_size=3))
    strokes = [draw(st.integers(1, 2)) for _ in tiles]
    return {"tiles": tiles, "strokes": strokes, "overlap": draw(st.sampled_from([0.0, 0.3, 0.5]))}


canvases = st.one_of(
    st.tuples(st.just("grid"), _grids()),
    st.tuples(st.just("pyramid"), _pyramids()),
    st.tuples(st.just("single"), st.fixed_dictionaries({"strokes": st.integers(1, 6)})),
)
sizes = st.tuples(st.integers(8, 48), st.integers(8, 48))
margin_ratios = st.sampled_from([0.0, 0.25, 0.6])
"""Margin of a patch in tiles: the setting `reach` of the toy renderer."""


# -------------------------------------------------------------------------------------------------------- rendering
@settings(max_examples=30)
@given(
    size=sizes,
    layout=canvases,
    reach=margin_ratios,
    per_pixel=st.booleans(),
    n=st.integers(1, 2),
    seed=st.integers(0, 9),
)
@example((20, 31), ("grid", {"tile": 11, "overlap": 8, "strokes": 3}), 0.6, True, 2, 1)
@example((31, 20), ("pyramid", {"tiles": (32, 8, 32), "strokes": (1, 2, 1)}), 0.25, False, 2, 1)
def test_rendering_by_phases_equals_rendering_one_by_one(
    toy_module: Any,
    size: tuple[int, int],
    layout: tuple[str, dict[str, Any]],
    reach: float,
    per_pixel: bool,
    n: int,
    seed: int,
) -> None:
    canvas, renderer = _build(toy_module, size, *layout, reach=reach, per_pixel=per_pixel)
    assume(canvas.stroke_count < 600)
    actions = _actions(canvas, n, seed)
    picture = canvas.render(renderer, actions, BACKGROUND, SEED)
    assert picture.shape == (n, 3, size[1], size[0])
    torch.testing.assert_close(picture, _render_one_by_one(canvas, renderer, actions), rtol=0, atol=1e-12)


def test_a_phase_has_many_strokes_if_the_picture_has_many_tiles(toy_module: Any) -> None:
    # Without this, phases of one stroke each would pass the test above.
    canvas, _ = _build(toy_module, (64, 48), "grid", {"tile": 8, "overlap": 4, "strokes": 2}, reach=0.25)
    assert max(phase.stroke_count for phase in canvas.phases) >= 20
    assert len(canvas.phases) <= 2 * 4 * 4


@settings(max_examples=30)
@given(size=sizes, layout=canvases, reach=margin_ratios, scale=st.sampled_from([1, 2, 3]), data=st.data())
@example((30, 21), ("grid", {"tile": 20, "overlap": 6, "strokes": 1}), 0.25, 2, None)
@example((30, 21), ("grid", {"tile": 11, "overlap": 6, "strokes": 2}), 0.25, 2, None)
def test_a_window_is_a_crop_of_the_picture(
    toy_module: Any, size: tuple[int, int], layout: tuple[str, dict[str, Any]], reach: float, scale: int, data: Any
) -> None:
    canvas, renderer = _build(toy_module, size, *layout, reach=reach)
    assume(canvas.stroke_count < 600)
    actions = _actions(canvas, 2, 5)
    width, height = size[0] * scale, size[1] * scale
    picture = canvas.render(renderer, actions, BACKGROUND, SEED, Window(0, 0, width, height, scale))
    assert picture.shape == (2, 3, height, width)
    if data is None:
        x, y, w, h = width // 3, height // 3, width // 2, height // 2
    else:
        x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
        w, h = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    crop = canvas.render(renderer, actions, BACKGROUND, SEED, Window(x, y, w, h, scale))
    torch.testing.assert_close(crop, picture[:, :, y : y + h, x : x + w], rtol=0, atol=1e-12)


@settings(max_examples=20)
@given(
    layout=canvases,
    reach=margin_ratios,
    per_pixel=st.booleans(),
    scale=st.sampled_from([1, 3]),
    max_patch_side=st.integers(0, 60),
)
@example(("single", {"strokes": 3}), 0.25, True, 3, 40)
@example(("pyramid", {"tiles": (32, 8, 32), "strokes": (1, 2, 1)}), 0.25, False, 3, 60)
def test_rendering_by_region_equals_rendering_whole_patches(
    toy_module: Any, layout: tuple[str, dict[str, Any]], reach: float, per_pixel: bool, scale: int, max_patch_side: int
) -> None:
    canvas, renderer = _build(toy_module, (40, 31), *layout, reach=reach, per_pixel=per_pixel)
    assume(canvas.stroke_count < 600)
    actions, window = _actions(canvas, 2, 5), Window(7, 4, 33, 26, scale)
    for background in (BACKGROUND, torch.zeros(4, dtype=BACKGROUND.dtype)):
        expected = canvas.render(renderer, actions, background, SEED, window)
        with torch.no_grad(), patch.object(window_rendering, "_MAX_PATCH_SIDE", max_patch_side):
            picture = canvas.render(renderer, actions, background, SEED, window)
        torch.testing.assert_close(picture, expected, rtol=0, atol=1e-12)


def test_patches_that_do_not_fit_in_memory_are_refused(toy_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    canvas, renderer = _build(toy_module, (40, 31), "single", {"strokes": 2})
    monkeypatch.setattr(memory, "total_memory", lambda: 1 << 29)
    with torch.no_grad(), pytest.raises(UsageError, match="GB of memory") as caught:
        canvas.render(renderer, _actions(canvas, 1, 5), BACKGROUND, SEED, Window(0, 0, 9, 9, 512))
    assert "mypaint" in caught.value.hint


@pytest.mark.parametrize("tile", [8, 11, 16, 20, 64])
@pytest.mark.parametrize("reach", [0.25, 0.6])
def test_rendering_at_scale_2_equals_rendering_one_by_one(toy_module: Any, tile: int, reach: float) -> None:
    grid = {"tile": tile, "overlap": tile // 3, "strokes": 2}
    canvas, renderer = _build(toy_module, (40, 28), "grid", grid, reach=reach)
    actions = _actions(canvas, 1, 2)
    small = canvas.render(renderer, actions, BACKGROUND, SEED)
    places = _record_places(renderer)
    large = canvas.render(renderer, actions, BACKGROUND, SEED, Window(0, 0, 80, 56, 2))
    assert large.shape == (1, 3, 56, 80)
    margins = {place.side: place.margin for place in places}
    torch.testing.assert_close(large, _render_one_by_one(canvas, renderer, actions, 2, margins), rtol=0, atol=1e-12)
    # A blob has no detail, so both scales show the same, except for paint beyond a margin that is rounded.
    reduced = torch.nn.functional.avg_pool2d(large, 2)
    assert (reduced - small).abs().mean() < 0.02


def test_only_strokes_near_the_window_are_rendered(toy_module: Any) -> None:
    # A picture of 60 000 px a side would need tens of GB.
    grid = {"tile": 64, "overlap": 0, "strokes": 1}
    canvas, renderer = _build(toy_module, (60_000, 60_000), "grid", grid)
    places = _record_places(renderer)
    actions = torch.rand(1, 1, 6, dtype=torch.float64).expand(1, canvas.stroke_count, 6)
    picture = canvas.render(renderer, actions, BACKGROUND, SEED, Window(30_000, 30_000, 50, 40))
    assert picture.shape == (1, 3, 40, 50)
    assert 1 <= sum(len(place.stroke_index) for place in places) <= 16


# ----------------------------------------------------------------------------------------------------------- layout
@given(size=st.tuples(st.integers(8, 90), st.integers(8, 90)), layout=canvases, reach=margin_ratios)
def test_stroke_indices_have_no_gaps_and_patches_of_a_phase_do_not_overlap(
    toy_module: Any, size: tuple[int, int], layout: tuple[str, dict[str, Any]], reach: float
) -> None:
    canvas, renderer = _build(toy_module, size, *layout, reach=reach)
    next_index = 0
    for phase in canvas.phases:
        assert phase.first == next_index
        next_index += phase.stroke_count
        assert len(phase.origins()) == phase.stroke_count == phase.rows * phase.columns > 0
        patch_size = phase.side + 2 * canvas.margin(renderer, phase.side)
        assert _min_distance(phase.origins(), patch_size) >= patch_size
    assert next_index == canvas.stroke_count == len(canvas.tiles())


def _min_distance(origins: Tensor, otherwise: int) -> int:
    """Return the smallest distance in px between two of the origins (m, 2), larger axis; `otherwise` if m is 1."""
    distances = (origins[:, None] - origins[None, :]).abs().amax(-1)
    distances.fill_diagonal_(otherwise)
    return int(distances.min())


@given(size=st.tuples(st.integers(8, 90), st.integers(8, 90)), layout=canvases)
@example((8, 90), ("grid", {"tile": 24, "overlap": 0, "bleed": 24}))
@example((90, 8), ("single", {"strokes": 1}))
def test_tiles_cover_the_picture_and_its_bleed(
    toy_module: Any, size: tuple[int, int], layout: tuple[str, dict[str, Any]]
) -> None:
    canvas_type, config = layout
    canvas, _ = _build(toy_module, size, canvas_type, config)
    if canvas_type == "grid":
        bleed = config.get("bleed")
        bleeds = {config["tile"]: config["overlap"] // 2 if bleed is None else bleed}
    elif canvas_type == "pyramid":
        bleeds = {side: round(side * config.get("overlap", 0.5)) // 2 for side in config["tiles"]}
    else:
        bleeds = {max(size): 0}
    tiles = canvas.tiles()
    border = 200
    for side, bleed in bleeds.items():
        covered = torch.zeros(size[1] + 2 * border, size[0] + 2 * border, dtype=torch.bool)
        for x, y, _ in tiles[tiles[:, 2] == side].tolist():
            covered[border + y : border + y + side, border + x : border + x + side] = True
        inside = covered[border - bleed : border + size[1] + bleed, border - bleed : border + size[0] + bleed]
        assert inside.all(), f"tiles of {side} px"


@given(size=sizes, grid=_grids())
def test_every_tile_of_a_grid_has_the_configured_number_of_strokes(
    toy_module: Any, size: tuple[int, int], grid: dict[str, Any]
) -> None:
    canvas, _ = _build(toy_module, size, "grid", grid)
    _, counts = torch.unique(canvas.tiles(), dim=0, return_counts=True)
    assert set(counts.tolist()) == {grid["strokes"]}


@given(size=sizes, grid=_grids())
def test_a_grid_is_centred_on_the_picture(toy_module: Any, size: tuple[int, int], grid: dict[str, Any]) -> None:
    canvas, _ = _build(toy_module, size, "grid", grid)
    low, high = canvas.tiles()[:, :2].amin(0), canvas.tiles()[:, :2].amax(0) + grid["tile"]
    for axis in (0, 1):
        before, after = -int(low[axis]), int(high[axis]) - size[axis]
        assert abs(before - after) <= 1


@given(scale=st.sampled_from([2, 3, 5]), grid=_grids(), reach=margin_ratios)
@example(2, {"tile": 20, "overlap": 6, "strokes": 1}, 0.25)
def test_patches_of_a_phase_do_not_overlap_in_a_scaled_picture(
    toy_module: Any, scale: int, grid: dict[str, Any], reach: float
) -> None:
    canvas, renderer = _build(toy_module, (40, 28), "grid", grid, reach=reach)
    places = _record_places(renderer)
    canvas.render(renderer, _actions(canvas, 1, 0), BACKGROUND, SEED, Window(0, 0, 40 * scale, 28 * scale, scale))
    (place,) = places
    assert place.scale == scale
    assert place.side == grid["tile"] * scale
    for phase in canvas.phases:
        in_phase = (place.stroke_index >= phase.first) & (place.stroke_index < phase.first + phase.stroke_count)
        if in_phase.any():
            assert _min_distance(place.origin[in_phase], place.patch_size) >= place.patch_size


@pytest.mark.parametrize("scale", [1.3, 0.3])
def test_a_scale_that_does_not_put_tiles_on_whole_pixels_is_refused(toy_module: Any, scale: float) -> None:
    canvas, renderer = _build(toy_module, (64, 48), "grid", {"tile": 16, "overlap": 8, "strokes": 1})
    window = Window(0, 0, round(64 * scale), round(48 * scale), scale)
    with pytest.raises(UsageError) as caught:
        canvas.render(renderer, _actions(canvas, 1, 0), BACKGROUND, SEED, window)
    assert f"{scale:g}" in caught.value.message
    assert "16 px" in caught.value.message
    assert "whole" in caught.value.hint


def test_scale_one_half_works_if_tiles_lie_on_whole_pixels(toy_module: Any) -> None:
    grid = {"tile": 16, "overlap": 8, "strokes": 1}
    canvas, renderer = _build(toy_module, (64, 48), "grid", grid, reach=0.25)
    actions = _actions(canvas, 1, 0)
    half = canvas.render(renderer, actions, BACKGROUND, SEED, Window(0, 0, 32, 24, 0.5))
    full = canvas.render(renderer, actions, BACKGROUND, SEED)
    assert half.shape == (1, 3, 24, 32)
    assert (half - torch.nn.functional.avg_pool2d(full, 2)).abs().mean() < 0.02


def test_clipped_paint_stays_on_its_tile(toy_module: Any) -> None:
    grid = {"tile": 16, "overlap": 0, "bleed": 0, "strokes": 1}
    for clip in (True, False):
        canvas, renderer = _build(toy_module, (32, 16), "grid", grid | {"clip": clip}, reach=0.25)
        actions = _actions(canvas, 1, 0)
        before = canvas.render(renderer, actions, BACKGROUND, SEED)
        left = int((canvas.tiles()[:, 0] == 0).nonzero()[0, 0])
        actions[0, left] = 1 - actions[0, left]
        changed = (canvas.render(renderer, actions, BACKGROUND, SEED) != before).any(1)[0]
        assert changed[:, :16].any()
        assert bool(changed[:, 16:].any()) is not clip


@pytest.mark.parametrize(("window", "margin"), [(None, 0), (Window(0, -5, 32, 20), 5), (Window(40, 0, 8, 8), 8)])
def test_only_the_visible_margin_is_rendered(toy_module: Any, window: Window | None, margin: int) -> None:
    """A tile as large as the picture has no margin in it, and outside at most the width that the window shows."""
    canvas, renderer = _build(toy_module, (32, 32), "single", {"strokes": 3}, reach=0.25)
    places = _record_places(renderer)
    actions = _actions(canvas, 2, 0)
    picture = canvas.render(renderer, actions, BACKGROUND, SEED, window)
    assert {place.margin for place in places} <= {margin}
    surroundings = canvas.render(renderer, actions, BACKGROUND, SEED, Window(-20, -20, 80, 80))
    window = window or Window(0, 0, 32, 32)
    y, x = window.y + 20, window.x + 20
    torch.testing.assert_close(picture, surroundings[:, :, y : y + window.height, x : x + window.width])


# -------------------------------------------------------------------------------------------------------- gradients
@pytest.mark.parametrize("per_pixel", [False, True])
def test_gradients_of_a_picture_with_respect_to_its_actions(toy_module: Any, per_pixel: bool) -> None:
    grid = {"tile": 8, "overlap": 2, "strokes": 1}
    canvas, renderer = _build(toy_module, (12, 9), "grid", grid, reach=0.25, per_pixel=per_pixel)
    actions = _actions(canvas, 2, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: canvas.render(renderer, a, BACKGROUND, SEED), actions, fast_mode=True)


def test_gradients_of_a_window_equal_those_of_the_cropped_picture(toy_module: Any) -> None:
    canvas, renderer = _build(toy_module, (24, 20), "grid", {"tile": 8, "overlap": 2, "strokes": 2}, reach=0.25)
    actions = _actions(canvas, 1, 4).requires_grad_()
    weight = torch.rand(1, 3, 9, 7, dtype=torch.float64)
    crop = canvas.render(renderer, actions, BACKGROUND, SEED)[:, :, 6:15, 5:12]
    window = canvas.render(renderer, actions, BACKGROUND, SEED, Window(5, 6, 7, 9))
    (expected,) = torch.autograd.grad((crop * weight).sum(), actions)
    (gradient,) = torch.autograd.grad((window * weight).sum(), actions)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-12)
    assert expected.abs().sum() > 0
