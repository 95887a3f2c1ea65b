"""Tests of `artkit_mypaint.surface`: windows, backgrounds, and memory."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from artkit_mypaint.action_spaces import SHAPE_SIZE
from artkit_mypaint.libmypaint import ONE
from artkit_mypaint.libmypaint_brush import LibMyPaintBrush
from artkit_mypaint.painting import paint_coverages, paint_strokes
from artkit_mypaint.pen_paths import PenPaths
from artkit_mypaint.surface import Image, Surface

Actions = Callable[..., Tensor]
Paths = Callable[..., PenPaths]

BACKGROUND = (0.3, 0.6, 0.9)
HALF_SIDE = 160
"""Half the side in px of a surface, centred on the tile, that contains all strokes."""


def painted(brush: LibMyPaintBrush, paths: PenPaths, x: int, y: int, width: int, height: int) -> Image:
    surface = Surface(x, y, width, height, BACKGROUND)
    paint_strokes(brush, surface, paths)
    return surface.pixels()


# ------------------------------------------------------------------------------------------------------------- windows
@pytest.fixture(scope="module")
def six_strokes(loaded_dry_brush: LibMyPaintBrush, random_actions: Actions, pen_paths: Paths) -> tuple[PenPaths, Image]:
    """Return six overlapping strokes, and a picture that contains them all."""
    paths = pen_paths(random_actions(6, seed=3, start_pressure=0.8))
    return paths, painted(loaded_dry_brush, paths, 32 - HALF_SIDE, 32 - HALF_SIDE, 2 * HALF_SIDE, 2 * HALF_SIDE)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    x=st.integers(32 - HALF_SIDE, 100),
    y=st.integers(32 - HALF_SIDE, 100),
    width=st.integers(1, 92),
    height=st.integers(1, 92),
)
def test_strokes_are_bit_identical_in_any_window(
    loaded_dry_brush: LibMyPaintBrush, six_strokes: tuple[PenPaths, Image], x: int, y: int, width: int, height: int
) -> None:
    paths, picture = six_strokes
    row, column = y - 32 + HALF_SIDE, x - 32 + HALF_SIDE
    window = painted(loaded_dry_brush, paths, x, y, width, height)
    np.testing.assert_array_equal(window, picture[row : row + height, column : column + width])


def test_the_picture_of_the_windows_is_not_empty(six_strokes: tuple[PenPaths, Image]) -> None:
    """Otherwise the test above would compare only background."""
    _, picture = six_strokes
    background = np.array([*BACKGROUND, 1.0], np.float32)
    assert (np.abs(picture - background).max(axis=2) > 0.1).mean() > 0.02


# --------------------------------------------------------------------------------------------------------- backgrounds
@pytest.mark.parametrize("background", [(1.0, 1.0, 1.0), (0.1, 0.45, 0.8)])
@pytest.mark.parametrize("name", ["classic/dry_brush", "classic/charcoal", "classic/calligraphy", "classic/knife"])
def test_a_stroke_is_its_coverage_times_its_colour_over_the_background(
    mypaint: None, name: str, background: tuple[float, float, float], random_actions: Actions, pen_paths: Paths
) -> None:
    brush = LibMyPaintBrush(name)
    actions = random_actions(6, seed=7, size=0.7)
    paths = pen_paths(actions)
    coverages = paint_coverages(brush, paths, np.full((6, 2), -32), 128, 128)[..., None] / ONE
    for index in range(6):
        surface = Surface(-32, -32, 128, 128, background)
        paint_strokes(brush, surface, paths.subset(slice(index, index + 1)))
        colour = actions[index, SHAPE_SIZE:].numpy()
        expected = coverages[index] * colour + (1 - coverages[index]) * np.array(background)
        pixels = surface.pixels()
        assert np.abs(pixels[..., :3] - expected).max() < 0.003
        assert (pixels[..., 3] == 1).all()
        assert coverages[index].max() > 0.05


def test_on_a_transparent_background_alpha_is_the_coverage(
    loaded_dry_brush: LibMyPaintBrush, random_actions: Actions, pen_paths: Paths
) -> None:
    actions = random_actions(3, seed=8)
    paths = pen_paths(actions)
    coverages = paint_coverages(loaded_dry_brush, paths, np.full((3, 2), -32), 128, 128) / ONE
    for index in range(3):
        surface = Surface(-32, -32, 128, 128, None)
        assert surface.pixels().max() == 0
        paint_strokes(loaded_dry_brush, surface, paths.subset(slice(index, index + 1)))
        pixels = surface.pixels()
        np.testing.assert_allclose(pixels[..., 3], coverages[index], atol=1e-6)
        premultiplied = coverages[index][..., None] * actions[index, SHAPE_SIZE:].numpy()
        np.testing.assert_allclose(pixels[..., :3], premultiplied, atol=0.003)


def test_an_empty_surface_has_the_colour_of_the_background(mypaint: None) -> None:
    pixels = Surface(-5, 70, 9, 3, (0.2, 0.5, 1.0)).pixels()
    assert pixels.shape == (3, 9, 4)
    np.testing.assert_allclose(pixels, np.broadcast_to([0.2, 0.5, 1.0, 1.0], (3, 9, 4)), atol=1 / ONE)


# -------------------------------------------------------------------------------------------------------------- memory
def test_surfaces_and_brushes_are_freed(mypaint: None, random_actions: Actions, pen_paths: Paths) -> None:
    paths = pen_paths(random_actions(1))
    surface_refs: list[weakref.ref[Surface]] = []
    brush_refs: list[weakref.ref[LibMyPaintBrush]] = []
    for i in range(60):
        surfaces = [Surface(j * 7, -j, 64, 64, None) for j in range(4)]
        if i % 10 == 0:
            brush = LibMyPaintBrush("classic/pen")
            brush_refs.append(weakref.ref(brush))
        paint_strokes(brush, surfaces[i % 4], paths)
        surface_refs += [weakref.ref(surface) for surface in surfaces]
    del surfaces, brush
    gc.collect()
    assert not [ref for ref in surface_refs if ref() is not None]
    assert not [ref for ref in brush_refs if ref() is not None]
    surface = Surface(-32, -32, 128, 128, None)
    paint_strokes(LibMyPaintBrush("classic/pen"), surface, paths)
    assert surface.pixels().max() > 0
