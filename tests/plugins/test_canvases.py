"""Canvases: every layout covers the picture, and the patches of a phase do not overlap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from artkit import Canvas, Scene
from artkit_canvases.grid import Grid
from artkit_canvases.pyramid import Pyramid
from artkit_canvases.tile_grid import TileGrid

quick = settings(max_examples=60, deadline=None, derandomize=True)


def tile_counts(tiles: Tensor, size: tuple[int, int], bleed: int = 0) -> Tensor:
    """Return the number of tiles that cover each pixel of a picture and of a border of `bleed` px: (h, w)."""
    width, height = size[0] + 2 * bleed, size[1] + 2 * bleed
    counts = torch.zeros(height, width, dtype=torch.int64)
    for x, y, side in tiles.tolist():
        x, y = x + bleed, y + bleed
        counts[max(0, y) : max(0, y + side), max(0, x) : max(0, x + side)] += 1
    return counts


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
def test_grid_covers_the_picture_and_patches_of_a_phase_do_not_overlap(
    width: int, height: int, tile: int, overlap: int, bleed: int, strokes: int, margin: int
) -> None:
    overlap = min(overlap, tile - 1)
    assume((width + 2 * bleed) * (height + 2 * bleed) < 900 * (tile - overlap) ** 2)
    phases = TileGrid.covering((width, height), tile, overlap, bleed).phases(strokes, margin, first_stroke=5)
    # Stroke indices have no gaps, and all tiles have the same number of strokes.
    first = 5
    for phase in phases:
        assert phase.first == first
        assert phase.stroke_count > 0
        first += phase.stroke_count
        # The patches of a phase do not overlap.
        assert (phase.rows == phase.columns == 1) or phase.pitch >= tile + 2 * margin
        assert phase.side == tile
    tiles = torch.cat([torch.cat([p.origins(), torch.full((p.stroke_count, 1), tile)], 1) for p in phases])
    distinct, counts = torch.unique(tiles, dim=0, return_counts=True)
    assert (counts == strokes).all()
    assert tile_counts(distinct, (width, height), bleed).min() >= 1
    # The grid has the smallest number of tiles, is centred, and neighbouring tiles overlap by `overlap`.
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
        new_scene = scene(size)
        new_scene.renderer = new_scene.make("renderer", "gan")
        layout: Canvas = new_scene.make("canvas", kind, **settings)
        return layout

    return make


def test_grid_matches_the_stitched_canvas_of_the_paper(canvas: Callable[..., Canvas]) -> None:
    """8 x 8 tiles of 64 px that overlap by 32 px cover 288 x 288 px."""
    grid = canvas("grid", (288, 288), tile=64, overlap=32, bleed=0, strokes=4)
    assert grid.stroke_count == 256
    assert grid.tiles()[:, :2].min() == 0
    assert grid.tiles()[:, :2].max() == 224


def test_grid_extends_beyond_the_picture_by_the_bleed(canvas: Callable[..., Canvas]) -> None:
    grid = canvas("grid", (100, 70), tile=32, overlap=16)
    assert tile_counts(grid.tiles(), (100, 70), bleed=8).min() >= 1
    without_bleed = canvas("grid", (100, 70), tile=32, overlap=16, bleed=0)
    assert without_bleed.stroke_count < grid.stroke_count


def test_strokes_extend_beyond_their_tile_unless_clipped(
    canvas: Callable[..., Canvas], scene: Callable[..., Scene]
) -> None:
    renderer = scene().make("renderer", "gan")
    clipped, unclipped = canvas("grid", (100, 70), clip=True), canvas("grid", (100, 70))
    assert clipped.clip
    assert not unclipped.clip
    assert clipped.margin(renderer, 64) == 0
    assert unclipped.margin(renderer, 64) == renderer.margin(64) > 0
    assert len(clipped.phases) <= len(unclipped.phases)


def test_clipped_paint_stays_on_its_tile(canvas: Callable[..., Canvas], scene: Callable[..., Scene]) -> None:
    renderer = scene().make("renderer", "gan")
    # A wide stroke along the right edge of the first tile.
    action = torch.tensor([[[1.0, 0.1, 1.0, 0.5, 1.0, 0.9, 0.9, 0.9, 1.0, 0.0, 0.0, 0.0]]])
    paint_beyond_tile = {}
    for clip in (True, False):
        grid = canvas("grid", (96, 64), tile=64, overlap=32, bleed=0, strokes=1, clip=clip)
        actions = action.repeat(1, grid.stroke_count, 1)
        actions[0, 1:, 6:8] = 0.0
        actions[0, 1:, 8] = 0.0
        with torch.no_grad():
            picture = grid.render(renderer, actions, torch.ones(3))
        paint_beyond_tile[clip] = float((1 - picture[..., 66:76]).mean())
    assert paint_beyond_tile[True] < 0.1 * paint_beyond_tile[False]
    assert paint_beyond_tile[False] > 0.1


def test_grid_is_painted_in_layers_of_one_stroke_per_tile(canvas: Callable[..., Canvas]) -> None:
    grid = canvas("grid", (150, 120), strokes=3)
    layer_size = grid.stroke_count // 3
    layers = torch.split(grid.tiles(), layer_size)
    for tiles in layers:
        assert len(torch.unique(tiles, dim=0)) == layer_size
    # The order of the tiles differs between layers.
    assert len({tuple(tiles[-1].tolist()) for tiles in layers}) > 1


def test_pyramid_is_painted_from_coarse_to_fine(canvas: Callable[..., Canvas]) -> None:
    pyramid = canvas("pyramid", (150, 90), tiles=(80, 40, 20), strokes=(3, 2, 1), overlap=0.25)
    sides = pyramid.tiles()[:, 2]
    assert sides.unique_consecutive().tolist() == [80, 40, 20]
    for side, strokes in ((80, 3), (40, 2), (20, 1)):
        tiles, counts = torch.unique(pyramid.tiles()[sides == side], dim=0, return_counts=True)
        assert (counts == strokes).all()
        assert tile_counts(tiles, (150, 90)).min() >= 1
        assert (tiles[:, 0].unique().diff() == side * 3 // 4).all()
    assert [p.first for p in pyramid.phases] == [
        sum(q.stroke_count for q in pyramid.phases[:i]) for i in range(len(pyramid.phases))
    ]


@pytest.mark.parametrize("size", [(70, 40), (40, 70), (50, 50), (9, 8)])
def test_single_tile_covers_the_picture_and_is_centred(canvas: Callable[..., Canvas], size: tuple[int, int]) -> None:
    single = canvas("single", size, strokes=7)
    assert single.stroke_count == 7
    (tile,) = single.tiles().unique(dim=0).tolist()
    assert tile[2] == max(size)
    assert tile_counts(torch.tensor([tile]), size).min() == 1
    assert abs(2 * tile[0] + tile[2] - size[0]) <= 1
    assert abs(2 * tile[1] + tile[2] - size[1]) <= 1


def test_overlap_must_be_less_than_the_tile() -> None:
    with pytest.raises(ValidationError, match="overlap 64 must be less than tile 64"):
        Grid.Config(overlap=64)
    with pytest.raises(ValidationError, match="overlap 40 must be less than tile 32"):
        Grid.Config(tile=32, overlap=40)
    assert Grid.Config(tile=32, overlap=31).overlap == 31
    with pytest.raises(ValidationError):
        Pyramid.Config(overlap=1.0)


def test_pyramid_needs_tiles_and_strokes_of_the_same_length() -> None:
    with pytest.raises(ValidationError, match="tiles has 3 levels, but strokes has 2"):
        Pyramid.Config(tiles=(64, 32, 16), strokes=(1, 2))
    with pytest.raises(ValidationError):
        Pyramid.Config(tiles=(), strokes=())
