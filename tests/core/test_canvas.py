"""Canvases and compositing: what is painted by phases is what painting stroke by stroke gives, in any window."""

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
from artkit.rendering import window_rendering as compositing
from artkit.rendering.compositing import TileLattice, composite


def _nothing(*_: Any, **__: Any) -> Any:
    raise AssertionError("nothing else is built here")


def _scene(size: tuple[int, int]) -> Scene:
    return Scene(size, torch.device("cpu"), 3, torch.Generator().manual_seed(3), torch.ones(3), _nothing)


def _paint_with(
    toy: Any, size: tuple[int, int], kind: str, told: dict[str, Any], **of_renderer: Any
) -> tuple[Canvas, Any]:
    """A canvas and the renderer it is for."""
    scene = _scene(size)
    renderer = toy.Blob(toy.Blob.Config(**of_renderer), scene)
    scene.renderer = renderer
    part = get_registry().component("canvas", kind)
    canvas: Canvas = part(part.Config(**told), scene)
    return canvas, renderer


def _actions(canvas: Canvas, n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, canvas.stroke_count, 6, generator=generator, dtype=torch.float64)


BACKGROUND = torch.tensor([0.9, 0.7, 0.5], dtype=torch.float64)
SEED = 11


def _watched(renderer: Any) -> list[Place]:
    """The places that a renderer is asked to paint, as they come."""
    places: list[Place] = []
    paint = renderer.forward

    def watch(actions: Tensor, place: Place) -> Any:
        places.append(place)
        return paint(actions, place)

    renderer.forward = watch
    return places


def _stroke_by_stroke(
    canvas: Canvas, renderer: Any, actions: Tensor, scale: int = 1, margins: dict[int, int] | None = None
) -> Tensor:
    """The picture painted one stroke after the other, on a ground with room for all that runs over its edges."""
    width, height = (length * scale for length in canvas.size)
    tiles = canvas.tiles() * scale
    room = 3 * int(tiles[:, 2].max()) + 4 * int(tiles[:, :2].abs().max() > 0)
    sheet = BACKGROUND.view(1, 3, 1, 1).repeat(len(actions), 1, height + 2 * room, width + 2 * room)
    for number, (x, y, side) in enumerate(tiles.tolist()):
        margin = margins[side] if margins else canvas.margin(renderer, side)
        place = Place(
            origin=torch.tensor([[x, y]]),
            side=side,
            margin=margin,
            stroke_index=torch.tensor([number]),
            size=(width, height),
            seed=SEED,
            scale=scale,
        )
        for picture in range(len(actions)):
            colour, coverage = renderer(actions[picture, number][None], place)
            top, left = room + y - margin, room + x - margin
            below = sheet[picture, :, top : top + place.patch_size, left : left + place.patch_size]
            below.copy_(coverage[0] * colour[0] + (1 - coverage[0]) * below)
    return sheet[:, :, room : room + height, room : room + width]


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
reaches = st.sampled_from([0.0, 0.25, 0.6])


@settings(max_examples=30)
@given(size=sizes, layout=canvases, reach=reaches, per_pixel=st.booleans(), n=st.integers(1, 2), seed=st.integers(0, 9))
@example((20, 31), ("grid", {"tile": 11, "overlap": 8, "strokes": 3}), 0.6, True, 2, 1)
@example((31, 20), ("pyramid", {"tiles": (32, 8, 32), "strokes": (1, 2, 1)}), 0.25, False, 2, 1)
def test_phases_give_what_painting_stroke_by_stroke_gives(
    toy_module: Any,
    size: tuple[int, int],
    layout: tuple[str, dict[str, Any]],
    reach: float,
    per_pixel: bool,
    n: int,
    seed: int,
) -> None:
    canvas, renderer = _paint_with(toy_module, size, *layout, reach=reach, per_pixel=per_pixel)
    assume(canvas.stroke_count < 600)
    actions = _actions(canvas, n, seed)
    painted = canvas.render(renderer, actions, BACKGROUND, SEED)
    assert painted.shape == (n, 3, size[1], size[0])
    torch.testing.assert_close(painted, _stroke_by_stroke(canvas, renderer, actions), rtol=0, atol=1e-12)


def test_a_phase_has_sheets_side_by_side_in_pictures_that_need_several_tiles(toy_module: Any) -> None:
    # Guards the property above: were each stroke a phase of its own, it would hold without testing anything.
    canvas, _ = _paint_with(toy_module, (64, 48), "grid", {"tile": 8, "overlap": 4, "strokes": 2}, reach=0.25)
    assert max(phase.stroke_count for phase in canvas.phases) >= 20
    assert len(canvas.phases) <= 2 * 4 * 4


@settings(max_examples=30)
@given(size=sizes, layout=canvases, reach=reaches, scale=st.sampled_from([1, 2, 3]), data=st.data())
@example((30, 21), ("grid", {"tile": 20, "overlap": 6, "strokes": 1}), 0.25, 2, None)
@example((30, 21), ("grid", {"tile": 11, "overlap": 6, "strokes": 2}), 0.25, 2, None)
def test_a_window_is_that_part_of_the_whole(
    toy_module: Any, size: tuple[int, int], layout: tuple[str, dict[str, Any]], reach: float, scale: int, data: Any
) -> None:
    canvas, renderer = _paint_with(toy_module, size, *layout, reach=reach)
    assume(canvas.stroke_count < 600)
    actions = _actions(canvas, 2, 5)
    width, height = size[0] * scale, size[1] * scale
    whole = canvas.render(renderer, actions, BACKGROUND, SEED, Window(0, 0, width, height, scale))
    assert whole.shape == (2, 3, height, width)
    if data is None:
        x, y, w, h = width // 3, height // 3, width // 2, height // 2
    else:
        x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
        w, h = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    part = canvas.render(renderer, actions, BACKGROUND, SEED, Window(x, y, w, h, scale))
    torch.testing.assert_close(part, whole[:, :, y : y + h, x : x + w], rtol=0, atol=1e-12)


@settings(max_examples=20)
@given(layout=canvases, reach=reaches, per_pixel=st.booleans(), scale=st.sampled_from([1, 3]), large=st.integers(0, 60))
@example(("single", {"strokes": 3}), 0.25, True, 3, 40)
@example(("pyramid", {"tiles": (32, 8, 32), "strokes": (1, 2, 1)}), 0.25, False, 3, 60)
def test_of_large_sheets_only_what_a_window_shows_is_painted(
    toy_module: Any, layout: tuple[str, dict[str, Any]], reach: float, per_pixel: bool, scale: int, large: int
) -> None:
    canvas, renderer = _paint_with(toy_module, (40, 31), *layout, reach=reach, per_pixel=per_pixel)
    assume(canvas.stroke_count < 600)
    actions, window = _actions(canvas, 2, 5), Window(7, 4, 33, 26, scale)
    for ground in (BACKGROUND, torch.zeros(4, dtype=BACKGROUND.dtype)):
        whole = canvas.render(renderer, actions, ground, SEED, window)
        with torch.no_grad(), patch.object(compositing, "_MAX_PATCH_SIDE", large):
            parts = canvas.render(renderer, actions, ground, SEED, window)
        torch.testing.assert_close(parts, whole, rtol=0, atol=1e-12)


def test_sheets_that_do_not_fit_into_memory_are_told(toy_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    canvas, renderer = _paint_with(toy_module, (40, 31), "single", {"strokes": 2})
    monkeypatch.setattr(memory, "total_memory", lambda: 1 << 29)
    with torch.no_grad(), pytest.raises(UsageError, match="GB of memory") as caught:
        canvas.render(renderer, _actions(canvas, 1, 5), BACKGROUND, SEED, Window(0, 0, 9, 9, 512))
    assert "mypaint" in caught.value.hint


@pytest.mark.parametrize("tile", [8, 11, 16, 20, 64])
@pytest.mark.parametrize("reach", [0.25, 0.6])
def test_a_picture_twice_as_large_is_painted_stroke_by_stroke_too(toy_module: Any, tile: int, reach: float) -> None:
    told = {"tile": tile, "overlap": tile // 3, "strokes": 2}
    canvas, renderer = _paint_with(toy_module, (40, 28), "grid", told, reach=reach)
    actions = _actions(canvas, 1, 2)
    small = canvas.render(renderer, actions, BACKGROUND, SEED)
    places = _watched(renderer)
    painted = canvas.render(renderer, actions, BACKGROUND, SEED, Window(0, 0, 80, 56, 2))
    assert painted.shape == (1, 3, 56, 80)
    margins = {place.side: place.margin for place in places}
    torch.testing.assert_close(painted, _stroke_by_stroke(canvas, renderer, actions, 2, margins), rtol=0, atol=1e-12)
    # A blob has no detail, so the enlarged picture shows the same, but for what lies beyond a margin that is rounded.
    shrunk = torch.nn.functional.avg_pool2d(painted, 2)
    assert (shrunk - small).abs().mean() < 0.02


def test_memory_follows_the_window(toy_module: Any) -> None:
    # A picture of 60 000 px a side would take tens of GB; a window of it takes what its own tiles take.
    told = {"tile": 64, "overlap": 0, "strokes": 1}
    canvas, renderer = _paint_with(toy_module, (60_000, 60_000), "grid", told)
    places = _watched(renderer)
    actions = torch.rand(1, 1, 6, dtype=torch.float64).expand(1, canvas.stroke_count, 6)
    part = canvas.render(renderer, actions, BACKGROUND, SEED, Window(30_000, 30_000, 50, 40))
    assert part.shape == (1, 3, 40, 50)
    assert 1 <= sum(len(place.stroke_index) for place in places) <= 16


# ----------------------------------------------------------------------------------------------------------- layout
@given(size=st.tuples(st.integers(8, 90), st.integers(8, 90)), layout=canvases, reach=reaches)
def test_every_stroke_has_one_number_and_sheets_of_a_phase_do_not_overlap(
    toy_module: Any, size: tuple[int, int], layout: tuple[str, dict[str, Any]], reach: float
) -> None:
    canvas, renderer = _paint_with(toy_module, size, *layout, reach=reach)
    following = 0
    for phase in canvas.phases:
        assert phase.first == following
        following += phase.stroke_count
        assert len(phase.origins()) == phase.stroke_count == phase.rows * phase.columns > 0
        sheet = phase.side + 2 * canvas.margin(renderer, phase.side)
        origins = phase.origins()
        apart = (origins[:, None] - origins[None, :]).abs().amax(-1)
        apart.fill_diagonal_(sheet)
        assert int(apart.min()) >= sheet
    assert following == canvas.stroke_count == len(canvas.tiles())


@given(size=st.tuples(st.integers(8, 90), st.integers(8, 90)), layout=canvases)
@example((8, 90), ("grid", {"tile": 24, "overlap": 0, "bleed": 24}))
@example((90, 8), ("single", {"strokes": 1}))
def test_tiles_cover_the_picture_and_its_bleed(
    toy_module: Any, size: tuple[int, int], layout: tuple[str, dict[str, Any]]
) -> None:
    kind, told = layout
    canvas, _ = _paint_with(toy_module, size, kind, told)
    if kind == "grid":
        bleed = told.get("bleed")
        bleeds = {told["tile"]: told["overlap"] // 2 if bleed is None else bleed}
    elif kind == "pyramid":
        bleeds = {side: round(side * told.get("overlap", 0.5)) // 2 for side in told["tiles"]}
    else:
        bleeds = {max(size): 0}
    tiles = canvas.tiles()
    for side, bleed in bleeds.items():
        room = 200
        covered = torch.zeros(size[1] + 2 * room, size[0] + 2 * room, dtype=torch.bool)
        for x, y, _ in tiles[tiles[:, 2] == side].tolist():
            covered[room + y : room + y + side, room + x : room + x + side] = True
        wanted = covered[room - bleed : room + size[1] + bleed, room - bleed : room + size[0] + bleed]
        assert wanted.all(), f"level of {side} px"


@given(size=sizes, grid=_grids())
def test_a_grid_gives_every_tile_as_many_strokes_as_it_is_told(
    toy_module: Any, size: tuple[int, int], grid: dict[str, Any]
) -> None:
    canvas, _ = _paint_with(toy_module, size, "grid", grid)
    _, counts = torch.unique(canvas.tiles(), dim=0, return_counts=True)
    assert set(counts.tolist()) == {grid["strokes"]}


@given(size=sizes, grid=_grids())
def test_a_grid_is_centred_on_the_picture(toy_module: Any, size: tuple[int, int], grid: dict[str, Any]) -> None:
    canvas, _ = _paint_with(toy_module, size, "grid", grid)
    low, high = canvas.tiles()[:, :2].amin(0), canvas.tiles()[:, :2].amax(0) + grid["tile"]
    for axis in (0, 1):
        before, after = -int(low[axis]), int(high[axis]) - size[axis]
        assert abs(before - after) <= 1


@given(scale=st.sampled_from([2, 3, 5]), grid=_grids(), reach=reaches)
@example(2, {"tile": 20, "overlap": 6, "strokes": 1}, 0.25)
def test_sheets_of_a_phase_do_not_overlap_in_an_enlarged_picture_either(
    toy_module: Any, scale: int, grid: dict[str, Any], reach: float
) -> None:
    canvas, renderer = _paint_with(toy_module, (40, 28), "grid", grid, reach=reach)
    places = _watched(renderer)
    canvas.render(renderer, _actions(canvas, 1, 0), BACKGROUND, SEED, Window(0, 0, 40 * scale, 28 * scale, scale))
    (place,) = places
    assert place.scale == scale
    assert place.side == grid["tile"] * scale
    for phase in canvas.phases:
        mine = (place.stroke_index >= phase.first) & (place.stroke_index < phase.first + phase.stroke_count)
        origins = place.origin[mine]
        apart = (origins[:, None] - origins[None, :]).abs().amax(-1)
        apart.fill_diagonal_(place.patch_size)
        assert apart.numel() == 0 or int(apart.min()) >= place.patch_size


@pytest.mark.parametrize("scale", [1.3, 0.3])
def test_a_scale_that_puts_tiles_between_pixels_is_refused(toy_module: Any, scale: float) -> None:
    canvas, renderer = _paint_with(toy_module, (64, 48), "grid", {"tile": 16, "overlap": 8, "strokes": 1})
    window = Window(0, 0, round(64 * scale), round(48 * scale), scale)
    with pytest.raises(UsageError) as caught:
        canvas.render(renderer, _actions(canvas, 1, 0), BACKGROUND, SEED, window)
    assert f"{scale:g}" in caught.value.message
    assert "16 px" in caught.value.message
    assert "whole" in caught.value.hint


def test_a_scale_of_a_half_works_where_tiles_stay_on_pixels(toy_module: Any) -> None:
    told = {"tile": 16, "overlap": 8, "strokes": 1}
    canvas, renderer = _paint_with(toy_module, (64, 48), "grid", told, reach=0.25)
    actions = _actions(canvas, 1, 0)
    half = canvas.render(renderer, actions, BACKGROUND, SEED, Window(0, 0, 32, 24, 0.5))
    whole = canvas.render(renderer, actions, BACKGROUND, SEED)
    assert half.shape == (1, 3, 24, 32)
    assert (half - torch.nn.functional.avg_pool2d(whole, 2)).abs().mean() < 0.02


def test_clipped_paint_stays_on_its_tile(toy_module: Any) -> None:
    told = {"tile": 16, "overlap": 0, "bleed": 0, "strokes": 1}
    for clip in (True, False):
        canvas, renderer = _paint_with(toy_module, (32, 16), "grid", told | {"clip": clip}, reach=0.25)
        actions = _actions(canvas, 1, 0)
        before = canvas.render(renderer, actions, BACKGROUND, SEED)
        left = int((canvas.tiles()[:, 0] == 0).nonzero()[0, 0])
        actions[0, left] = 1 - actions[0, left]
        changed = (canvas.render(renderer, actions, BACKGROUND, SEED) != before).any(1)[0]
        assert changed[:, :16].any()
        assert bool(changed[:, 16:].any()) is not clip


@pytest.mark.parametrize(("window", "margin"), [(None, 0), (Window(0, -5, 32, 20), 5), (Window(40, 0, 8, 8), 8)])
def test_no_more_margin_is_painted_than_is_seen(toy_module: Any, window: Window | None, margin: int) -> None:
    """Of a single tile: none in the picture, and beside it what the window shows, or the renderer's own."""
    canvas, renderer = _paint_with(toy_module, (32, 32), "single", {"strokes": 3}, reach=0.25)
    places = _watched(renderer)
    actions = _actions(canvas, 2, 0)
    picture = canvas.render(renderer, actions, BACKGROUND, SEED, window)
    assert {place.margin for place in places} <= {margin}
    everything = canvas.render(renderer, actions, BACKGROUND, SEED, Window(-20, -20, 80, 80))
    window = window or Window(0, 0, 32, 32)
    y, x = window.y + 20, window.x + 20
    torch.testing.assert_close(picture, everything[:, :, y : y + window.height, x : x + window.width])


# -------------------------------------------------------------------------------------------------------- gradients
def _layers() -> list[TileLattice]:
    return [
        TileLattice(top=0, left=1, pitch=3, rows=2, columns=2, sheet=2),
        TileLattice(top=1, left=0, pitch=4, rows=1, columns=1, sheet=4),
        TileLattice(top=2, left=0, pitch=2, rows=1, columns=3, sheet=2),
    ]


@pytest.mark.parametrize("per_pixel", [False, True], ids=["colour of a stroke", "colour of a pixel"])
def test_gradients_of_compositing_are_those_of_finite_differences(per_pixel: bool) -> None:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    layers = _layers()
    ground = random(2, 3, 6, 6)
    paints = []
    for layer in layers:
        count, side = layer.rows * layer.columns, layer.sheet
        paints.append(random(2, count, 3, side, side) if per_pixel else random(2, count, 3, 1, 1))
        paints.append(random(2, count, 1, side, side))
    assert torch.autograd.gradcheck(lambda g, *p: composite(g, layers, p), (ground, *paints))


@pytest.mark.parametrize("wanted", ["colour", "coverage", "ground"])
def test_gradients_come_right_where_only_one_input_wants_them(wanted: str) -> None:
    layers = _layers()[:2]
    torch.manual_seed(0)
    ground = torch.rand(1, 3, 6, 6, dtype=torch.float64, requires_grad=wanted == "ground")
    paints = []
    for layer in layers:
        count, side = layer.rows * layer.columns, layer.sheet
        paints.append(torch.rand(1, count, 3, 1, 1, dtype=torch.float64, requires_grad=wanted == "colour"))
        paints.append(torch.rand(1, count, 1, side, side, dtype=torch.float64, requires_grad=wanted == "coverage"))
    assert torch.autograd.gradcheck(lambda g, *p: composite(g, layers, p), (ground, *paints))


@pytest.mark.parametrize("per_pixel", [False, True])
def test_gradients_of_a_picture_to_its_actions(toy_module: Any, per_pixel: bool) -> None:
    told = {"tile": 8, "overlap": 2, "strokes": 1}
    canvas, renderer = _paint_with(toy_module, (12, 9), "grid", told, reach=0.25, per_pixel=per_pixel)
    actions = _actions(canvas, 2, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: canvas.render(renderer, a, BACKGROUND, SEED), actions, fast_mode=True)


def test_gradients_of_a_window_are_those_of_that_part_of_the_whole(toy_module: Any) -> None:
    canvas, renderer = _paint_with(toy_module, (24, 20), "grid", {"tile": 8, "overlap": 2, "strokes": 2}, reach=0.25)
    actions = _actions(canvas, 1, 4).requires_grad_()
    weight = torch.rand(1, 3, 9, 7, dtype=torch.float64)
    whole = canvas.render(renderer, actions, BACKGROUND, SEED)[:, :, 6:15, 5:12]
    part = canvas.render(renderer, actions, BACKGROUND, SEED, Window(5, 6, 7, 9))
    (a,) = torch.autograd.grad((whole * weight).sum(), actions)
    (b,) = torch.autograd.grad((part * weight).sum(), actions)
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    assert a.abs().sum() > 0


def test_compositing_leaves_its_inputs_alone() -> None:
    ground = torch.rand(1, 3, 6, 6)
    before = ground.clone()
    layer = _layers()[0]
    composite(ground, [layer], [torch.rand(1, 4, 3, 1, 1), torch.rand(1, 4, 1, 2, 2)])
    assert torch.equal(ground, before)
