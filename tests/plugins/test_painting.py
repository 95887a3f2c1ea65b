"""Tests of `artkit_mypaint.painting`: a stroke depends only on its path and seed, not on what was painted before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from artkit_mypaint.libmypaint import ONE
from artkit_mypaint.libmypaint_brush import LibMyPaintBrush
from artkit_mypaint.painting import paint_coverages, paint_strokes
from artkit_mypaint.pen_paths import PenPaths
from artkit_mypaint.surface import Surface
from artkit_mypaint.tracing import trace_actions

Actions = Callable[..., Tensor]
Paths = Callable[..., PenPaths]
PaintScattered = Callable[[LibMyPaintBrush, Tensor, Tensor], npt.NDArray[np.uint16]]


@pytest.fixture
def paint_scattered(pen_paths: Paths, scattered_origins: Callable[[Tensor], Tensor]) -> PaintScattered:
    """Paint strokes on scattered tiles, each on a patch around its own tile."""

    def paint(brush: LibMyPaintBrush, actions: Tensor, indices: Tensor) -> npt.NDArray[np.uint16]:
        origins = scattered_origins(indices)
        return paint_coverages(brush, pen_paths(actions, indices, origins), origins.numpy() - 32, 128, 128)

    return paint


@pytest.mark.parametrize("name", ["dry_brush", "calligraphy", "slow_ink"])
def test_coverages_do_not_depend_on_the_order_of_strokes(
    mypaint: None, name: str, random_actions: Actions, paint_scattered: PaintScattered
) -> None:
    brush = LibMyPaintBrush(f"classic/{name}")
    actions, indices = random_actions(40), torch.arange(40)
    coverages = paint_scattered(brush, actions, indices)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    permuted = paint_scattered(brush, actions[order], indices[order])
    np.testing.assert_array_equal(permuted, coverages[order.numpy()])


def test_strokes_do_not_depend_on_what_the_brush_painted_before(
    loaded_dry_brush: LibMyPaintBrush, random_actions: Actions, paint_scattered: PaintScattered
) -> None:
    actions, indices = random_actions(20), torch.arange(20)
    first = paint_scattered(loaded_dry_brush, actions, indices)
    paint_scattered(loaded_dry_brush, random_actions(9, seed=1), indices[:9] + 5)
    single = [paint_scattered(loaded_dry_brush, actions[i : i + 1], indices[i : i + 1])[0] for i in (7, 3, 11)]
    np.testing.assert_array_equal(single, first[[7, 3, 11]])
    np.testing.assert_array_equal(paint_scattered(loaded_dry_brush, actions, indices), first)
    np.testing.assert_array_equal(paint_scattered(LibMyPaintBrush("classic/dry_brush"), actions, indices), first)


@pytest.mark.parametrize("name", ["charcoal", "calligraphy", "brush", "slow_ink", "coarse_bulk_1", "pencil"])
def test_coverages_equal_those_on_new_surfaces(
    mypaint: None, name: str, random_actions: Actions, pen_paths: Paths
) -> None:
    """`paint_coverages` uses a surface again for the next stroke, which must not change the result."""
    paths = pen_paths(random_actions(12, seed=7, size=0.7))
    brush = LibMyPaintBrush(f"classic/{name}")
    coverages = paint_coverages(brush, paths, np.full((12, 2), -64), 192, 192) / ONE
    assert coverages.max() > 0.05
    for index in range(12):
        surface = Surface(-64, -64, 192, 192, None)
        paint_strokes(LibMyPaintBrush(f"classic/{name}"), surface, paths.subset(slice(index, index + 1)))
        np.testing.assert_array_equal(coverages[index].astype(np.float32), surface.pixels()[..., 3])


@pytest.mark.parametrize("change", ["seed", "index"])
def test_another_seed_or_index_gives_another_sample_of_a_stroke(
    loaded_dry_brush: LibMyPaintBrush, random_actions: Actions, change: str
) -> None:
    actions = random_actions(4, start_pressure=0.7, end_pressure=0.7, size=0.6)

    def paint(seed: int, first_index: int) -> npt.NDArray[np.float64]:
        paths = trace_actions(actions, torch.zeros(4, 2), 64, torch.arange(4) + first_index, seed)
        return paint_coverages(loaded_dry_brush, paths, np.full((4, 2), -64), 192, 192) / ONE

    first = paint(0, 0)
    second = paint(1, 0) if change == "seed" else paint(0, 4)
    for a, b in zip(first, second, strict=True):
        # The noise differs, the stroke does not.
        assert np.abs(a - b).max() > 0.1
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.8
