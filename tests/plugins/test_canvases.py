"""Layouts: every canvas covers its picture, and the strokes of a phase never meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from artkit.interfaces.canvas import Canvas
from artkit.interfaces.scene import Scene
from artkit_canvases import lattice
from artkit_canvases.grid import Grid
from artkit_canvases.pyramid import Pyramid

quick = settings(max_examples=60, deadline=None, derandomize=True)


def covered(tiles: Tensor, size: tuple[int, int], bleed: int = 0) -> Tensor:
    """How often each pixel of a picture, and of `bleed` px around it, lies on a tile: (h, w)."""
    width, height = size[0] + 2 * bleed, size[1] + 2 * bleed
    times = torch.zeros(height, width, dtype=torch.int64)
    for x, y, side in tiles.tolist():
        x, y = x + bleed, y + bleed
        times[max(0, y) : max(0, y + side), max(0, x) : max(0, x + side)] += 1
    return times


@quick
@given(
    width=st.integers(8, 150),
    height=st.integers(8, 150),
    tile=st.integers(8, 70),
    overlap=st.integers(0, 60),
    bleed=st.integers(0, 20),
    strokes=st.integers(1, 3),
    margin=st.integers(0, 20),
)
def test_a_lattice_covers_its_picture_and_phases_do_not_meet(
    width: int, height: int, tile: int, overlap: int, bleed: int, strokes: int, margin: int
) -> None:
    overlap = min(overlap, tile - 1)
    assume((width + 2 * bleed) * (height + 2 * bleed) < 900 * (tile - overlap) ** 2)
    phases = lattice.phases((width, height), tile, overlap, bleed, strokes, margin, first=5)
    # Strokes are numbered without gap, and as many lie on every tile.
    first = 5
    for phase in phases:
        assert phase.first == first
        assert phase.stroke_count > 0
        first += phase.stroke_count
        # Sheets of a phase lie beside each other.
        assert (phase.rows == phase.columns == 1) or phase.pitch >= tile + 2 * margin
        assert phase.side == tile
    tiles = torch.cat([torch.cat([p.origins(), torch.full((p.stroke_count, 1), tile)], 1) for p in phases])
    distinct, times = torch.unique(tiles, dim=0, return_counts=True)
    assert (times == strokes).all()
    assert covered(distinct, (width, height), bleed).min() >= 1
    # No more tiles than needed, evenly on both sides, `overlap` apart.
    for axis, length in enumerate((width, height)):
        starts = distinct[:, axis].unique()
        assert (starts.diff() == tile - overlap).all()
        before, after = -int(starts[0]), int(starts[-1]) + tile - length
        assert abs(before - after) <= 1
        if len(starts) > 1:
            assert before + after - 2 * bleed < tile - overlap


@pytest.fixture
def canvas(scene: Callable[..., Scene]) -> Callable[..., Canvas]:
    def make(kind: str, size: tuple[int, int], **settings: Any) -> Canvas:
        made = scene(size)
        made.renderer = made.make("renderer", "gan")
        built: Canvas = made.make("canvas", kind, **settings)
        return built

    return make


def test_a_grid_is_the_paper_s_stitched_canvas(canvas: Callable[..., Canvas]) -> None:
    """8 x 8 tiles of 64 px that overlap by 32: 288 x 288 px."""
    made = canvas("grid", (288, 288), tile=64, overlap=32, bleed=0, strokes=4)
    assert made.stroke_count == 256
    assert made.tiles()[:, :2].min() == 0
    assert made.tiles()[:, :2].max() == 224


def test_a_grid_bleeds_over_the_edges(canvas: Callable[..., Canvas]) -> None:
    made = canvas("grid", (100, 70), tile=32, overlap=16)
    assert covered(made.tiles(), (100, 70), bleed=8).min() >= 1
    bare = canvas("grid", (100, 70), tile=32, overlap=16, bleed=0)
    assert bare.stroke_count < made.stroke_count


def test_strokes_run_over_tiles_unless_clipped(canvas: Callable[..., Canvas], scene: Callable[..., Scene]) -> None:
    renderer = scene().make("renderer", "gan")
    clipped, free = canvas("grid", (100, 70), clip=True), canvas("grid", (100, 70))
    assert clipped.clip
    assert not free.clip
    assert clipped.margin(renderer, 64) == 0
    assert free.margin(renderer, 64) == renderer.margin(64) > 0
    assert len(clipped.phases) <= len(free.phases)


def test_clipped_paint_stays_on_its_tile(canvas: Callable[..., Canvas], scene: Callable[..., Scene]) -> None:
    renderer = scene().make("renderer", "gan")
    # A broad stroke down the right edge of the tile.
    action = torch.tensor([[[1.0, 0.1, 1.0, 0.5, 1.0, 0.9, 0.9, 0.9, 1.0, 0.0, 0.0, 0.0]]])
    ends = {}
    for clip in (True, False):
        made = canvas("grid", (96, 64), tile=64, overlap=32, bleed=0, strokes=1, clip=clip)
        actions = action.repeat(1, made.stroke_count, 1)
        actions[0, 1:, 6:8] = 0.0
        actions[0, 1:, 8] = 0.0
        with torch.no_grad():
            picture = made.render(renderer, actions, torch.ones(3))
        ends[clip] = float((1 - picture[..., 66:76]).mean())
    assert ends[True] < 0.1 * ends[False]
    assert ends[False] > 0.1


def test_the_paint_of_a_grid_builds_up_in_layers(canvas: Callable[..., Canvas]) -> None:
    made = canvas("grid", (150, 120), strokes=3)
    layer = made.stroke_count // 3
    for first in range(0, made.stroke_count, layer):
        tiles = made.tiles()[first : first + layer]
        assert len(torch.unique(tiles, dim=0)) == layer
    # Another corner lies on top each time.
    assert len({tuple(made.tiles()[first + layer - 1].tolist()) for first in range(0, made.stroke_count, layer)}) > 1


def test_a_pyramid_goes_from_coarse_to_fine(canvas: Callable[..., Canvas]) -> None:
    made = canvas("pyramid", (150, 90), tiles=(80, 40, 20), strokes=(3, 2, 1), overlap=0.25)
    sides = made.tiles()[:, 2]
    assert sides.unique_consecutive().tolist() == [80, 40, 20]
    for side, strokes in ((80, 3), (40, 2), (20, 1)):
        tiles, times = torch.unique(made.tiles()[sides == side], dim=0, return_counts=True)
        assert (times == strokes).all()
        assert covered(tiles, (150, 90)).min() >= 1
        assert (tiles[:, 0].unique().diff() == side * 3 // 4).all()
    assert [p.first for p in made.phases] == [
        sum(q.stroke_count for q in made.phases[:i]) for i in range(len(made.phases))
    ]


@pytest.mark.parametrize("size", [(70, 40), (40, 70), (50, 50), (9, 8)])
def test_a_single_tile_is_as_large_as_the_picture(canvas: Callable[..., Canvas], size: tuple[int, int]) -> None:
    made = canvas("single", size, strokes=7)
    assert made.stroke_count == 7
    (tile,) = made.tiles().unique(dim=0).tolist()
    assert tile[2] == max(size)
    assert covered(torch.tensor([tile]), size).min() == 1
    assert abs(2 * tile[0] + tile[2] - size[0]) <= 1
    assert abs(2 * tile[1] + tile[2] - size[1]) <= 1


def test_tiles_must_be_larger_than_their_overlap() -> None:
    with pytest.raises(ValidationError, match="overlap 64 must be less than tile 64"):
        Grid.Config(overlap=64)
    with pytest.raises(ValidationError, match="overlap 40 must be less than tile 32"):
        Grid.Config(tile=32, overlap=40)
    assert Grid.Config(tile=32, overlap=31).overlap == 31
    with pytest.raises(ValidationError):
        Pyramid.Config(overlap=1.0)


def test_a_pyramid_s_levels_must_agree() -> None:
    with pytest.raises(ValidationError, match="tiles names 3 levels, strokes 2"):
        Pyramid.Config(tiles=(64, 32, 16), strokes=(1, 2))
    with pytest.raises(ValidationError):
        Pyramid.Config(tiles=(), strokes=())
