"""Tests of `artkit_mypaint.engine`: its strokes are those of libmypaint, and depend on nothing but path and seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from artkit_mypaint.brush import Brush
from artkit_mypaint.brush_files import SHIPPED, brush_names
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.engine.state import DAB_ANGLE, DAB_SIZE, DAB_TIME
from artkit_mypaint.libmypaint_brush import LibMyPaintBrush
from artkit_mypaint.painting import dabs_of_strokes, paint_coverages
from artkit_mypaint.pen_paths import PenPaths
from artkit_mypaint.surface import Surface
from artkit_mypaint.tracing import trace_actions
from artkit_mypaint.workers import Workers

Actions = Callable[..., Tensor]
Paths = Callable[..., PenPaths]
Origins = Callable[[Tensor], Tensor]
UseCores = Callable[[int], None]

PAINTER_BRUSHES = (
    "classic/dry_brush",
    "classic/charcoal",
    "classic/calligraphy",
    "classic/brush",
    "classic/pencil",
    "tanda/acrylic-05-paint",
)
SHIPPED_BRUSHES = sorted(file.relative_to(SHIPPED).with_suffix("").as_posix() for file in SHIPPED.rglob("*.myb"))
OTHER_BRUSHES = ("tanda/water-02",)
COLOUR_CHANGING_BRUSHES = [name for name in SHIPPED_BRUSHES if Brush(name).colour_setting]
BACKGROUND = (0.3, 0.6, 0.9)
PICTURE_BOX = (-150, -130, 450, 400)

engine_of = cache(Engine)


@pytest.fixture
def scattered_paths(random_actions: Actions, scattered_origins: Origins) -> Callable[..., PenPaths]:
    """Return pen paths of random strokes on scattered tiles: ``scattered_paths(count, side=64, seed=0)``."""

    def make(count: int, side: int = 64, seed: int = 0) -> PenPaths:
        indices = torch.arange(count)
        return trace_actions(random_actions(count, seed=seed), scattered_origins(indices), side, indices, seed)

    return make


def patch_corners(paths: PenPaths, margin: int) -> npt.NDArray[np.int64]:
    """Return the corners (m, 2) of patches that begin `margin` px to the upper left of where each stroke starts."""
    return np.floor(paths.points[:, 0, :2]).astype(np.int64) - margin


def compare_dabs(engine: Engine, paths: PenPaths) -> npt.NDArray[np.bool_]:
    """Compare the dabs of strokes with libmypaint's; return which strokes (m,) have as many. These must be equal."""
    dabs, counts = engine.dabs(paths)
    expected = dabs_of_strokes(LibMyPaintBrush(engine.brush.name), paths)
    expected_counts = np.bincount(expected[:, 0].astype(int), minlength=len(paths))
    equal: npt.NDArray[np.bool_] = counts == expected_counts
    dabs, expected = dabs[np.repeat(equal, counts)], expected[np.repeat(equal, expected_counts)]
    assert np.abs(dabs[:, :3] - expected[:, 2:5]).max(initial=0) <= 1e-3, "positions and radii"
    np.testing.assert_allclose(dabs[:, 3:DAB_ANGLE], expected[:, 5:8], atol=1e-4, rtol=1e-4)
    np.testing.assert_array_equal(np.ceil(dabs[:, DAB_TIME]), expected[:, 1])
    return equal


# ---------------------------------------------------------------------------------------------------------- libmypaint
@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize(("brush", "side"), [*((brush, 32) for brush in PAINTER_BRUSHES), ("classic/dry_brush", 64)])
def test_strokes_equal_those_of_libmypaint(brush: str, side: int, scattered_paths: Callable[..., PenPaths]) -> None:
    engine, paths = engine_of(brush), scattered_paths(40, side, seed=1)
    assert compare_dabs(engine, paths).all()
    corners = patch_corners(paths, side)
    coverages = engine.paint(paths, corners, 3 * side, 3 * side) / ONE
    expected = paint_coverages(LibMyPaintBrush(brush), paths, corners, 3 * side, 3 * side) / ONE
    assert coverages.shape == (40, 3 * side, 3 * side)
    assert coverages.max() > 0.3
    assert np.abs(coverages - expected).mean() <= 1e-5
    assert np.abs(coverages - expected).max() <= 0.02


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("brush", [*SHIPPED_BRUSHES, *OTHER_BRUSHES])
def test_dabs_of_all_brushes_equal_those_of_libmypaint(
    brush: str, scattered_paths: Callable[..., PenPaths], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They use all settings and inputs. Some also smudge, which has no effect on their dabs."""
    if brush not in brush_names():
        pytest.skip("does not ship with artkit")
    monkeypatch.setattr(Brush, "require_supported", lambda *_: None)
    assert compare_dabs(Engine(brush), scattered_paths(20, seed=5)).mean() >= 0.98


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("brush", COLOUR_CHANGING_BRUSHES)
def test_colours_of_dabs_equal_those_of_libmypaint(brush: str, scattered_paths: Callable[..., PenPaths]) -> None:
    engine, reference, paths = engine_of(brush), LibMyPaintBrush(brush), scattered_paths(6, seed=8)
    corners = patch_corners(paths, 64)
    patches = engine.paint_coloured(paths, corners, 192, 192) / ONE
    np.testing.assert_array_equal(patches[..., 3], engine.paint(paths, corners, 192, 192) / ONE)
    errors = []
    for index, (x, y) in enumerate(corners.tolist()):
        surface = Surface(x, y, 192, 192, None)
        reference.paint_stroke(surface, paths, index)
        errors.append(np.abs(surface.pixels() - patches[index]))
    assert np.mean(errors) < 1e-5
    assert np.max(errors) < 0.01
    colours = engine.dabs(paths)[0][:, DAB_SIZE:]
    assert colours.min() >= 0
    assert colours.max() <= 1
    assert colours.std(0).max() > 0.01


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("end_pressure", [0.0, 0.8])
@pytest.mark.parametrize("brush", ["classic/dry_brush", "classic/pen", "classic/charcoal"])
def test_strokes_that_start_without_pressure_equal_those_of_libmypaint(
    brush: str, end_pressure: float, random_actions: Actions, pen_paths: Paths
) -> None:
    """Libmypaint divides an event in two where pressure begins after a pause."""
    paths = pen_paths(random_actions(20, seed=2, start_pressure=0.0, end_pressure=end_pressure))
    middle = replace(paths, points=paths.points.copy())
    middle.points[:, :20, 2] = 0  # the pressure jumps in the middle of the stroke
    for case in (paths, middle):
        assert (case.points[:, 1, 2] == 0).all()
        assert compare_dabs(engine_of(brush), case).all()
        corners = np.full((20, 2), -32)
        coverages = engine_of(brush).paint(case, corners, 128, 128)
        expected = paint_coverages(LibMyPaintBrush(brush), case, corners, 128, 128)
        assert np.abs(coverages / ONE - expected / ONE).max() <= 0.02
        assert bool(coverages.any()) == bool(end_pressure)


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("background", [BACKGROUND, (0.0, 0.0, 0.0, 0.0)], ids=["opaque", "transparent"])
@pytest.mark.parametrize(
    "brush", ["classic/dry_brush", "classic/calligraphy", "classic/coarse_bulk_1", "experimental/leaves"]
)
def test_pictures_equal_those_of_libmypaint(
    brush: str, background: tuple[float, ...], random_actions: Actions, pen_paths: Paths, scattered_origins: Origins
) -> None:
    origins = scattered_origins(torch.arange(30)) / 4
    groups = [pen_paths(random_actions(30, seed=seed), origins=origins) for seed in (1, 2)]
    box = (-60, -40, 250, 230)
    picture = engine_of(brush).paint_window(groups, box, background)
    expected = Workers(brush, 1).paint_window(groups, box, background)
    assert picture.shape == expected.shape == (230, 250, len(background))
    assert np.abs(picture - np.array(background)).max() > 0.3
    assert np.abs(picture - expected).max() <= 2 / 255


# ------------------------------------------------------------------------------------------------------------- windows
@pytest.fixture(scope="module")
def groups(random_actions: Actions, pen_paths: Paths, scattered_origins: Origins) -> list[PenPaths]:
    """Two groups of overlapping strokes."""
    origins = scattered_origins(torch.arange(30)) / 4
    return [pen_paths(random_actions(30, seed=seed), origins=origins) for seed in (1, 2)]


@pytest.fixture(scope="module")
def pictures(groups: list[PenPaths]) -> dict[str, npt.NDArray[np.float32]]:
    """Pictures of `groups` by brush. The dabs of the last brush lie up to a hundred radii from the curve."""
    brushes = ("classic/dry_brush", "classic/calligraphy", "classic/coarse_bulk_1")
    return {brush: engine_of(brush).paint_window(groups, PICTURE_BOX, BACKGROUND) for brush in brushes}


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    brush=st.sampled_from(["classic/dry_brush", "classic/calligraphy", "classic/coarse_bulk_1"]),
    x=st.integers(-150, 299),
    y=st.integers(-130, 269),
    width=st.integers(1, 150),
    height=st.integers(1, 150),
)
def test_a_window_is_that_part_of_the_picture(
    groups: list[PenPaths],
    pictures: dict[str, npt.NDArray[np.float32]],
    brush: str,
    x: int,
    y: int,
    width: int,
    height: int,
) -> None:
    left, top, full_width, full_height = PICTURE_BOX
    width, height = min(width, left + full_width - x), min(height, top + full_height - y)
    picture = pictures[brush]
    window = engine_of(brush).paint_window(groups, (x, y, width, height), BACKGROUND)
    np.testing.assert_array_equal(window, picture[y - top : y - top + height, x - left : x - left + width])
    assert (np.abs(picture - np.array(BACKGROUND, np.float32)).max(2) > 0.1).mean() > 0.05, "the picture is not empty"


def test_a_picture_is_the_coverages_of_its_strokes_over_each_other(groups: list[PenPaths], dry_brush: Engine) -> None:
    x, y, width, height = PICTURE_BOX
    transparent = dry_brush.paint_window(groups, PICTURE_BOX, (0.0,) * 4)
    opaque = dry_brush.paint_window(groups, PICTURE_BOX, BACKGROUND)
    expected = np.zeros((height, width, 4))
    for group in groups:
        coverages = dry_brush.paint(group, np.full((len(group), 2), (x, y)), width, height)[..., None] / ONE
        for coverage, colour in zip(coverages, group.colours, strict=True):
            expected = coverage * np.array([*colour, 1.0]) + (1 - coverage) * expected
    assert np.abs(transparent - expected).max() < 2 / 255
    composited = expected[..., :3] + (1 - expected[..., 3:]) * np.array(BACKGROUND)
    assert np.abs(opaque - composited).max() < 2 / 255


def test_pictures_of_no_strokes_are_background(dry_brush: Engine, pen_paths: Paths, random_actions: Actions) -> None:
    nothing, far = pen_paths(random_actions(0)), pen_paths(random_actions(3), origins=torch.full((3, 2), 1e5))
    for groups in ([], [nothing], [far]):
        picture = dry_brush.paint_window(groups, (-5, 7, 9, 3), (0.0, 0.5, 1.0))
        np.testing.assert_array_equal(picture, np.broadcast_to(np.array([0, 0.5, 1], np.float32), (3, 9, 3)))
    assert dry_brush.paint(nothing, np.zeros((0, 2), np.int64), 5, 4).shape == (0, 4, 5)
    dabs, counts = dry_brush.dabs(nothing)
    assert len(dabs) == len(counts) == 0


# ------------------------------------------------------------------------------------------ position, batch and threads
@pytest.mark.parametrize("far", [10_000_000, -10_000_000])
@pytest.mark.parametrize("brush", ["classic/dry_brush", "classic/calligraphy", "classic/pen"])
def test_strokes_far_from_the_origin_equal_those_near_it(
    brush: str, far: int, random_actions: Actions, pen_paths: Paths
) -> None:
    """Single precision would round positions 10 million px away to whole pixels."""
    actions, engine = random_actions(30, seed=4), engine_of(brush)
    near = engine.paint(pen_paths(actions), np.full((30, 2), -64), 192, 192) / ONE
    shift = far - far % 4096  # px
    paths = pen_paths(actions, origins=torch.full((30, 2), float(shift)))
    moved = engine.paint(paths, np.full((30, 2), shift - 64), 192, 192) / ONE
    assert np.abs(moved - near).mean() < 1e-6
    assert (np.abs(moved - near).max((1, 2)) < 1e-3).mean() > 0.9
    other = pen_paths(actions, origins=torch.full((30, 2), float(far)))
    coverages = engine.paint(other, np.full((30, 2), far - 64), 192, 192) / ONE
    # Rounded differently, some dabs of brushes with randomness move by a fraction of a pixel.
    assert np.abs(coverages - near).mean() < 1e-4
    for a, b in zip(coverages, near, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.99
    window = (shift - 64, shift - 64, 192, 192)
    picture = engine.paint_window([paths], window, BACKGROUND)
    expected = engine.paint_window([pen_paths(actions)], (-64, -64, 192, 192), BACKGROUND)
    assert np.abs(picture - expected).mean() < 1e-5


@pytest.mark.parametrize("brush", ["classic/dry_brush", "classic/slow_ink"])
def test_strokes_depend_neither_on_the_batch_nor_on_the_threads(
    brush: str, scattered_paths: Callable[..., PenPaths], use_cores: UseCores
) -> None:
    paths = scattered_paths(90)
    corners = patch_corners(paths, 48)
    window = (-300, -200, 600, 500)
    results = []
    for cores in (1, 2, 5):
        use_cores(cores)
        engine = Engine(brush)
        dabs, counts = engine.dabs(paths)
        results.append(
            (engine.paint(paths, corners, 96, 96), dabs, counts, engine.paint_window([paths], window, BACKGROUND))
        )
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    coverages, dabs, counts, _ = results[0]
    assert (coverages.reshape(90, -1).max(1) > 0).mean() > 0.9
    order = np.random.default_rng(0).permutation(90)
    np.testing.assert_array_equal(engine.paint(paths.subset(order), corners[order], 96, 96), coverages[order])
    ends = counts.cumsum()
    for index in (0, 31, 32, 89):
        single = slice(index, index + 1)
        np.testing.assert_array_equal(engine.paint(paths.subset(single), corners[single], 96, 96), coverages[single])
        stroke_dabs, _ = engine.dabs(paths.subset(single))
        np.testing.assert_array_equal(stroke_dabs, dabs[ends[index] - counts[index] : ends[index]])


def test_a_patch_is_that_part_of_a_larger_one(dry_brush: Engine, scattered_paths: Callable[..., PenPaths]) -> None:
    paths = scattered_paths(20)
    corners = patch_corners(paths, 64)
    large = dry_brush.paint(paths, corners, 160, 150)
    small = dry_brush.paint(paths, corners + np.array([40, 31]), 70, 60)
    np.testing.assert_array_equal(small, large[:, 31:91, 40:110])
    assert small.max() > 0


def test_the_seed_of_a_stroke_decides_its_randomness(
    dry_brush: Engine, pen_paths: Paths, random_actions: Actions
) -> None:
    paths = pen_paths(random_actions(1, start_pressure=0.8).expand(3, -1))
    same = replace(paths, seeds=np.array([7, 7, 8]))
    first, second, third = dry_brush.paint(same, np.full((3, 2), -32), 128, 128)
    np.testing.assert_array_equal(first, second)
    assert np.abs(first.astype(int) - third).max() > 0.1 * ONE
