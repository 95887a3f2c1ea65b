"""Tests of `artkit_mypaint.workers`: several processes paint the same as one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from artkit.errors import ArtkitError
from artkit_mypaint.libmypaint_brush import LibMyPaintBrush
from artkit_mypaint.painting import paint_coverages, paint_strokes
from artkit_mypaint.pen_paths import PenPaths
from artkit_mypaint.surface import Surface
from artkit_mypaint.workers import Workers

Actions = Callable[..., Tensor]
Paths = Callable[..., PenPaths]
Origins = Callable[[Tensor], Tensor]


@pytest.fixture(scope="module")
def two_workers(mypaint: None) -> Workers:
    return Workers("classic/dry_brush", 2)


def test_coverages_do_not_depend_on_the_number_of_processes(
    loaded_dry_brush: LibMyPaintBrush, random_actions: Actions, pen_paths: Paths, scattered_origins: Origins
) -> None:
    indices = torch.arange(21)
    origins = scattered_origins(indices)
    paths, corners = pen_paths(random_actions(21), indices, origins), origins.numpy() + np.array([-16, -9])
    expected = paint_coverages(loaded_dry_brush, paths, corners, 96, 80)
    assert expected.shape == (21, 80, 96)
    assert (expected.reshape(21, -1).max(axis=1) > 0).all()
    for count in (1, 2):
        np.testing.assert_array_equal(Workers("classic/dry_brush", count).paint(paths, corners, 96, 80), expected)


def test_there_may_be_more_processes_than_strokes(
    loaded_dry_brush: LibMyPaintBrush, two_workers: Workers, random_actions: Actions, pen_paths: Paths
) -> None:
    corner = np.array([(-16, -16)])
    paths = pen_paths(random_actions(1))
    expected = paint_coverages(loaded_dry_brush, paths, corner, 96, 96)
    np.testing.assert_array_equal(two_workers.paint(paths, corner, 96, 96), expected)
    assert two_workers.paint(pen_paths(random_actions(0)), corner[:0], 96, 96).shape == (0, 96, 96)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(x=st.integers(-200, 300), y=st.integers(-200, 300), width=st.integers(1, 300), height=st.integers(1, 300))
def test_strips_of_several_processes_equal_one_surface(
    loaded_dry_brush: LibMyPaintBrush,
    two_workers: Workers,
    random_actions: Actions,
    pen_paths: Paths,
    scattered_origins: Origins,
    x: int,
    y: int,
    width: int,
    height: int,
) -> None:
    """Each process paints only the strokes near its strip."""
    origins = scattered_origins(torch.arange(30))
    groups = [pen_paths(random_actions(30, seed=seed), origins=origins) for seed in (1, 2)]
    background = (0.3, 0.6, 0.9)
    surface = Surface(x, y, width, height, background)
    for group in groups:
        paint_strokes(loaded_dry_brush, surface, group)
    pixels = two_workers.paint_window(groups, (x, y, width, height), background)
    np.testing.assert_array_equal(pixels, surface.pixels()[..., :3])


@pytest.mark.parametrize("name", ["coarse_bulk_1", "coarse_bulk_2", "coarse_bulk_3", "textured_ink", "charcoal"])
def test_strips_contain_all_paint_of_brushes_that_scatter_widely(
    mypaint: None, name: str, random_actions: Actions, pen_paths: Paths
) -> None:
    paths, box = pen_paths(random_actions(20, seed=1, start_pressure=0.9)), (-300, -300, 664, 664)
    surface = Surface(*box)
    paint_strokes(LibMyPaintBrush(f"classic/{name}"), surface, paths)
    pixels = Workers(f"classic/{name}", 2).paint_window([paths], box, (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(pixels, surface.pixels()[..., :3])


def test_a_process_that_died_is_reported(mypaint: None, random_actions: Actions, pen_paths: Paths) -> None:
    workers = Workers("classic/dry_brush", 1)
    paths, corners = pen_paths(random_actions(200)), np.full((200, 2), -16)
    workers.paint(paths, corners, 96, 96)
    for process in workers._processes:  # there is no public way to kill a worker
        process.kill()
        process.wait()
    with pytest.raises(ArtkitError, match="--resume"):
        workers.paint(paths, corners, 96, 96)
