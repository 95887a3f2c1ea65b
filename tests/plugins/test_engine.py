"""The real MyPaint: what it paints depends on the strokes alone."""

from __future__ import annotations

import gc
import itertools
import json
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from artkit.errors import ArtkitError, UsageError
from artkit_mypaint import brush_files, libmypaint, stroke_geometry
from artkit_mypaint.action_spaces import SHAPE_SIZE
from artkit_mypaint.brush import Brush, paint_coverages, paint_strokes
from artkit_mypaint.brush_files import brush_names, find_brush
from artkit_mypaint.libmypaint import ONE, MyPaintMissing
from artkit_mypaint.pen_paths import PenPaths
from artkit_mypaint.surface import Image, Surface
from artkit_mypaint.tracing import trace_actions
from artkit_mypaint.workers import Workers

Coverage = Callable[..., npt.NDArray[np.float64]]
Actions = Callable[..., Tensor]

FAR = 160
"""Half a side of a canvas, around the middle of the tile, in which all strokes lie."""


def traces_of(actions: Tensor, numbers: Tensor | None = None, spread: bool = False) -> PenPaths:
    """Strokes on one tile at the origin, or each on a tile of its own."""
    numbers = torch.arange(len(actions)) if numbers is None else numbers
    return trace_actions(actions, origins(numbers) if spread else torch.zeros(len(actions), 2), 64.0, numbers, 0)


def origins(numbers: Tensor) -> Tensor:
    """Where the tiles of strokes lie, here and there in a picture."""
    return torch.stack([numbers * 389 % 1000 - 300, numbers * 571 % 900 - 200], dim=1)


def on_their_tiles(brush: Brush, actions: Tensor, numbers: Tensor) -> npt.NDArray[np.uint16]:
    """Each stroke on the sheet around its own tile."""
    corners = origins(numbers).numpy() - 32
    return paint_coverages(brush, traces_of(actions, numbers, spread=True), corners, 128, 128)


def painted(brush: Brush, traces: PenPaths, x: int, y: int, width: int, height: int) -> Image:
    surface = Surface(x, y, width, height, (0.3, 0.6, 0.9))
    paint_strokes(brush, surface, traces)
    return surface.pixels()


# ------------------------------------------------------------------------------------------- the same strokes, anywhere
@pytest.fixture(scope="module")
def pair(mypaint: None) -> Workers:
    return Workers("classic/dry_brush", 2)


@pytest.fixture(scope="module")
def six_strokes(dry_brush: Brush, random_actions: Actions) -> tuple[PenPaths, Image]:
    """Six strokes over each other, and a canvas that holds them all."""
    traces = traces_of(random_actions(6, seed=3, start_pressure=0.8))
    return traces, painted(dry_brush, traces, 32 - FAR, 32 - FAR, 2 * FAR, 2 * FAR)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(x=st.integers(32 - FAR, 100), y=st.integers(32 - FAR, 100), width=st.integers(1, 92), height=st.integers(1, 92))
def test_strokes_are_the_same_bit_for_bit_in_any_window(
    dry_brush: Brush, six_strokes: tuple[PenPaths, Image], x: int, y: int, width: int, height: int
) -> None:
    traces, whole = six_strokes
    row, column = y - 32 + FAR, x - 32 + FAR
    window = painted(dry_brush, traces, x, y, width, height)
    np.testing.assert_array_equal(window, whole[row : row + height, column : column + width])


def test_a_window_of_the_strokes_is_not_empty(six_strokes: tuple[PenPaths, Image]) -> None:
    """Or the test above would compare bare canvas."""
    _, whole = six_strokes
    bare = np.array([0.3, 0.6, 0.9, 1.0], np.float32)
    assert (np.abs(whole - bare).max(axis=2) > 0.1).mean() > 0.02


@pytest.mark.parametrize("name", ["dry_brush", "calligraphy", "slow_ink"])
def test_the_order_of_strokes_on_their_own_sheets_does_not_matter(
    mypaint: None, name: str, random_actions: Actions
) -> None:
    brush = Brush(f"classic/{name}")
    actions, numbers = random_actions(40), torch.arange(40)
    there = on_their_tiles(brush, actions, numbers)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    np.testing.assert_array_equal(on_their_tiles(brush, actions[order], numbers[order]), there[order.numpy()])


def test_strokes_do_not_depend_on_what_the_brush_painted_before(dry_brush: Brush, random_actions: Actions) -> None:
    actions, numbers = random_actions(20), torch.arange(20)
    first = on_their_tiles(dry_brush, actions, numbers)
    on_their_tiles(dry_brush, random_actions(9, seed=1), numbers[:9] + 5)
    alone = [on_their_tiles(dry_brush, actions[i : i + 1], numbers[i : i + 1])[0] for i in (7, 3, 11)]
    np.testing.assert_array_equal(alone, first[[7, 3, 11]])
    np.testing.assert_array_equal(on_their_tiles(dry_brush, actions, numbers), first)
    np.testing.assert_array_equal(on_their_tiles(Brush("classic/dry_brush"), actions, numbers), first)


@pytest.mark.parametrize("name", ["charcoal", "calligraphy", "brush", "slow_ink", "coarse_bulk_1", "pencil"])
def test_a_sheet_shows_what_a_fresh_surface_does(mypaint: None, name: str, random_actions: Actions) -> None:
    """Sheets are used again for the next stroke; no brush may notice."""
    traces = traces_of(random_actions(12, seed=7, size=0.7))
    brush = Brush(f"classic/{name}")
    sheets = paint_coverages(brush, traces, np.full((12, 2), -64), 192, 192) / ONE
    assert sheets.max() > 0.05
    for index in range(12):
        surface = Surface(-64, -64, 192, 192, None)
        paint_strokes(Brush(f"classic/{name}"), surface, traces.subset(slice(index, index + 1)))
        np.testing.assert_array_equal(sheets[index].astype(np.float32), surface.pixels()[..., 3])


def test_any_number_of_processes_paints_the_same(dry_brush: Brush, random_actions: Actions) -> None:
    numbers = torch.arange(21)
    traces, corners = traces_of(random_actions(21), spread=True), origins(numbers).numpy() + np.array([-16, -9])
    here = paint_coverages(dry_brush, traces, corners, 96, 80)
    assert here.shape == (21, 80, 96)
    assert (here.reshape(21, -1).max(axis=1) > 0).all()
    for count in (1, 2):
        np.testing.assert_array_equal(Workers("classic/dry_brush", count).paint(traces, corners, 96, 80), here)


def test_more_processes_than_strokes(dry_brush: Brush, random_actions: Actions) -> None:
    workers = Workers("classic/dry_brush", 2)
    corner = np.array([(-16, -16)])
    one = traces_of(random_actions(1))
    np.testing.assert_array_equal(workers.paint(one, corner, 96, 96), paint_coverages(dry_brush, one, corner, 96, 96))
    assert workers.paint(traces_of(random_actions(0)), corner[:0], 96, 96).shape == (0, 96, 96)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(x=st.integers(-200, 300), y=st.integers(-200, 300), width=st.integers(1, 300), height=st.integers(1, 300))
def test_processes_paint_strips_of_one_picture(
    dry_brush: Brush, pair: Workers, random_actions: Actions, x: int, y: int, width: int, height: int
) -> None:
    """Each paints only the strokes near its strip; on one surface with all of them it must look the same."""
    parts = [traces_of(random_actions(30, seed=seed), spread=True) for seed in (1, 2)]
    ground = (0.3, 0.6, 0.9)
    surface = Surface(x, y, width, height, ground)
    for part in parts:
        paint_strokes(dry_brush, surface, part)
    np.testing.assert_array_equal(pair.picture(parts, (x, y, width, height), ground), surface.pixels()[..., :3])


@pytest.mark.parametrize("name", ["coarse_bulk_1", "coarse_bulk_2", "coarse_bulk_3", "textured_ink", "charcoal"])
def test_brushes_that_spray_far_are_not_cut_by_strips(mypaint: None, name: str, random_actions: Actions) -> None:
    traces, box = traces_of(random_actions(20, seed=1, start_pressure=0.9)), (-300, -300, 664, 664)
    surface = Surface(*box)
    paint_strokes(Brush(f"classic/{name}"), surface, traces)
    picture = Workers(f"classic/{name}", 2).picture([traces], box, (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(picture, surface.pixels()[..., :3])


@pytest.mark.parametrize("change", ["seed", "number"])
def test_another_seed_or_number_is_another_sample_of_the_brush(
    dry_brush: Brush, random_actions: Actions, coverage: Coverage, change: str
) -> None:
    actions = random_actions(4, start_pressure=0.7, end_pressure=0.7, size=0.6)
    numbers = torch.arange(4)
    one = coverage(dry_brush, actions)
    other = (
        coverage(dry_brush, actions, seed=1) if change == "seed" else coverage(dry_brush, actions, numbers=numbers + 4)
    )
    for a, b in zip(one, other, strict=True):
        # The grain differs, the stroke does not.
        assert np.abs(a - b).max() > 0.1
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.8


# -------------------------------------------------------------------------------------------------- where paint lands
@settings(max_examples=12, deadline=None, derandomize=True)
@given(which=st.integers(0, 1 << 30), origin=st.tuples(st.integers(-200, 200), st.integers(-200, 200)))
def test_paint_lies_along_the_curve(
    dry_brush: Brush, random_actions: Actions, which: int, origin: tuple[int, int]
) -> None:
    """The paint's mean position is the curve's: x to the right and y down from the tile's origin."""
    action = random_actions(1, seed=which, start_pressure=0.5, end_pressure=0.5, size=0.0)
    along = stroke_geometry.curve(action, torch.linspace(0, 1, 51))[0].numpy() * 64
    steps = np.linalg.norm(np.diff(along, axis=0), axis=1)
    assume(steps.sum() > 6)  # a pen that hardly moves leaves a few dabs or none
    samples = 12
    traces = trace_actions(action.expand(samples, -1), torch.tensor([origin] * samples), 64, torch.arange(samples), 0)
    corners = np.array([(origin[0] - 32, origin[1] - 32)] * samples)
    paint = paint_coverages(dry_brush, traces, corners, 128, 128).sum(axis=0) / ONE
    rows, columns = np.mgrid[0:128, 0:128] + 0.5
    mean = np.array([(columns * paint).sum(), (rows * paint).sum()]) / paint.sum() - 32
    # Paint is left evenly along the way, not in time.
    by_length = ((along[1:] + along[:-1]) / 2 * steps[:, None]).sum(axis=0) / steps.sum()
    extent = np.abs(along - by_length).max()
    assert np.abs(mean - by_length).max() < 1.5 + 0.1 * extent


def test_paint_begins_and_ends_where_the_stroke_does(dry_brush: Brush, coverage: Coverage) -> None:
    """From the upper left a quarter in, to the right and down a little; heavier at its end."""
    action = torch.tensor([[0.25, 0.1, 0.5, 0.2, 0.9, 0.25, 0.1, 0.9, 0.2, 0.0, 0.0, 0.0]])
    paint = coverage(dry_brush, action.expand(16, -1)).mean(axis=0)
    rows, columns = np.nonzero(paint > 0.02)
    rows, columns = rows - 64, columns - 64
    assert 10 <= columns.min() <= 19
    assert 54 <= columns.max() <= 64
    assert -1 <= rows.min() <= 9
    assert 14 <= rows.max() <= 24
    assert paint[:, 64 + 45 : 64 + 60].sum() > 2 * paint[:, 64 + 13 : 64 + 28].sum()


@pytest.mark.parametrize("name", ["classic/dry_brush", "classic/charcoal", "classic/pen"])
def test_a_stroke_without_pressure_leaves_nothing(
    mypaint: None, name: str, random_actions: Actions, coverage: Coverage
) -> None:
    brush = Brush(name)
    assert coverage(brush, random_actions(4, start_pressure=0.0, end_pressure=0.0)).max() == 0
    assert coverage(brush, random_actions(4, start_pressure=0.5, end_pressure=0.5)).max() > 0.1


def test_larger_strokes_are_wider(dry_brush: Brush, coverage: Coverage) -> None:
    areas = []
    for size in (0.0, 0.25, 0.5, 0.75, 1.0):
        action = torch.tensor([[0.1, 0.4, 0.5, 0.5, 0.9, 0.6, 0.6, 0.6, size, 0.0, 0.0, 0.0]])
        areas.append(float((coverage(dry_brush, action.expand(8, -1)) > 0.05).mean()))
    assert all(wide > 1.2 * narrow for narrow, wide in itertools.pairwise(areas)), areas


def test_a_stroke_s_size_is_its_radius_where_pressure_makes_it_broadest(
    mypaint: None, random_actions: Actions, coverage: Coverage
) -> None:
    brush = Brush("classic/brush")
    assert brush.max_radius_offset > 2
    assert max(brush.pressure_radius_curve) == 0
    places = {"start_x": 0.2, "middle_x": 0.5, "end_x": 0.8, "start_y": 0.5, "middle_y": 0.5, "end_y": 0.5}
    widths = []
    for pressure in (1.0, 0.7):
        actions = random_actions(1, size=0.8, start_pressure=pressure, end_pressure=pressure, **places)
        painted = coverage(brush, actions)[0]
        widths.append(float(painted[:, painted.shape[1] // 2].sum()))
    radius = float(stroke_geometry.max_radius(actions)) * 64
    expected = [
        2 * radius * float(stroke_geometry.radius_at_pressure(torch.tensor(p), brush.pressure_radius_curve))
        for p in (1.0, 0.7)
    ]
    assert widths == pytest.approx(expected, rel=0.3)


def test_a_brush_tells_whether_chance_shows(mypaint: None, random_actions: Actions, coverage: Coverage) -> None:
    actions = random_actions(12, seed=5, size=0.8)
    for name in ("dry_brush", "charcoal", "pencil", "calligraphy", "brush", "pen"):
        brush = Brush(f"classic/{name}")
        one, other = (coverage(brush, actions, seed=seed) for seed in (0, 1))
        assert brush.stochastic == bool(np.abs(one - other).mean() > 0.02 * one.mean()), name


@pytest.mark.parametrize("name", ["classic/calligraphy", "tanda/acrylic-05-paint", "classic/pen"])
def test_the_smallest_strokes_are_seen_at_any_scale(
    mypaint: None, name: str, random_actions: Actions, coverage: Coverage
) -> None:
    """MyPaint leaves dabs out whose edge is softer than they are large; enlarged they would be there."""
    brush = Brush(name)
    actions = random_actions(24, seed=2, size=0.1)
    actions[:, 6:8] = 0.3 + 0.7 * actions[:, 6:8]
    small, large = (coverage(brush, actions, side=side).mean((1, 2)) for side in (64, 256))
    assert small.mean() == pytest.approx(large.mean(), rel=0.35)
    assert (small > 0.4 * large).all()


@pytest.mark.parametrize("name", ["dry_brush", "pen", "calligraphy", "slow_ink"])
def test_a_larger_picture_is_the_same_picture_enlarged(
    mypaint: None, name: str, random_actions: Actions, coverage: Coverage
) -> None:
    """Also with brushes that change with the speed of the pen, which goes faster over a larger picture."""
    brush = Brush(f"classic/{name}")
    actions = random_actions(8, seed=4, size=0.8)
    actions[:, 6:8] = 0.4 + 0.5 * actions[:, 6:8]
    small = coverage(brush, actions)
    large = coverage(brush, actions, side=256)
    reduced = large.reshape(8, 192, 4, 192, 4).mean(axis=(2, 4))
    for a, b in zip(small, reduced, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.98
    assert reduced.mean() == pytest.approx(small.mean(), rel=0.05)


# ------------------------------------------------------------------------------------------------------------- colour
@pytest.mark.parametrize("ground", [(1.0, 1.0, 1.0), (0.1, 0.45, 0.8)])
@pytest.mark.parametrize("name", ["classic/dry_brush", "classic/charcoal", "classic/calligraphy", "classic/knife"])
def test_colour_is_coverage_times_colour_over_the_ground(
    mypaint: None, name: str, ground: tuple[float, float, float], random_actions: Actions
) -> None:
    brush = Brush(name)
    actions = random_actions(6, seed=7, size=0.7)
    traces = traces_of(actions)
    corners = np.full((6, 2), -32)
    cover = paint_coverages(brush, traces, corners, 128, 128)[..., None] / ONE
    for index in range(6):
        surface = Surface(-32, -32, 128, 128, ground)
        paint_strokes(brush, surface, traces.subset(slice(index, index + 1)))
        expected = cover[index] * actions[index, SHAPE_SIZE:].numpy() + (1 - cover[index]) * np.array(ground)
        pixels = surface.pixels()
        assert np.abs(pixels[..., :3] - expected).max() < 0.003
        assert (pixels[..., 3] == 1).all()
        assert cover[index].max() > 0.05


def test_on_a_transparent_ground_there_is_only_the_stroke(dry_brush: Brush, random_actions: Actions) -> None:
    actions = random_actions(3, seed=8)
    traces = traces_of(actions)
    cover = paint_coverages(dry_brush, traces, np.full((3, 2), -32), 128, 128) / ONE
    for index in range(3):
        surface = Surface(-32, -32, 128, 128, None)
        assert surface.pixels().max() == 0
        paint_strokes(dry_brush, surface, traces.subset(slice(index, index + 1)))
        pixels = surface.pixels()
        np.testing.assert_allclose(pixels[..., 3], cover[index], atol=1e-6)
        premultiplied = cover[index][..., None] * actions[index, SHAPE_SIZE:].numpy()
        np.testing.assert_allclose(pixels[..., :3], premultiplied, atol=0.003)


def test_bare_ground_keeps_its_colour() -> None:
    if libmypaint.find() is None:
        pytest.skip("libmypaint is not installed")
    pixels = Surface(-5, 70, 9, 3, (0.2, 0.5, 1.0)).pixels()
    assert pixels.shape == (3, 9, 4)
    np.testing.assert_allclose(pixels, np.broadcast_to([0.2, 0.5, 1.0, 1.0], (3, 9, 4)), atol=1 / ONE)


# ----------------------------------------------------------------------------------------------------------- lifetimes
def test_surfaces_and_brushes_come_and_go(mypaint: None, random_actions: Actions) -> None:
    traces = traces_of(random_actions(1))
    kept: list[weakref.ref[Surface]] = []
    brushes: list[weakref.ref[Brush]] = []
    for round_ in range(60):
        surfaces = [Surface(i * 7, -i, 64, 64, None) for i in range(4)]
        if round_ % 10 == 0:
            brush = Brush("classic/pen")
            brushes.append(weakref.ref(brush))
        paint_strokes(brush, surfaces[round_ % 4], traces)
        kept += [weakref.ref(surface) for surface in surfaces]
    del surfaces, brush
    gc.collect()
    assert not [ref for ref in kept if ref() is not None]
    assert not [ref for ref in brushes if ref() is not None]
    fresh = Surface(-32, -32, 128, 128, None)
    paint_strokes(Brush("classic/pen"), fresh, traces)
    assert fresh.pixels().max() > 0


# -------------------------------------------------------------------------------------------------- finding brushes
def test_all_classic_brushes_can_be_loaded(mypaint: None) -> None:
    names = [name for name in brush_names() if name.startswith("classic/")]
    assert len(names) > 10
    for name in names:
        assert Brush(name).name == name


def test_an_unknown_brush_names_the_nearest(mypaint: None) -> None:
    with pytest.raises(UsageError, match=r"near it: .*classic/dry_brush"):
        Brush("classic/drybrush")
    with pytest.raises(UsageError, match=r"near it: .*classic/charcoal"):
        Brush("charcoal")
    with pytest.raises(UsageError, match='there is no brush "xyzzy"'):
        Brush("xyzzy")


def test_a_brush_can_be_a_file(dry_brush: Brush, tmp_path: Path, random_actions: Actions, coverage: Coverage) -> None:
    mine = tmp_path / "mine.myb"
    mine.write_bytes(find_brush("classic/dry_brush").read_bytes())
    actions = random_actions(2)
    np.testing.assert_array_equal(coverage(Brush(str(mine)), actions), coverage(dry_brush, actions))


def brush_text(**settings: object) -> str:
    return json.dumps({"version": 3, "settings": settings})


BROKEN = {
    "not JSON": "hello",
    "empty": "",
    "a list": "[]",
    "no settings": '{"version": 3}',
    "another version": '{"version": 2, "settings": {}}',
    "settings are a list": '{"version": 3, "settings": []}',
    "settings are a text": '{"version": 3, "settings": "abc"}',
    "a setting is a number": brush_text(opaque=3),
    "a base value is a text": brush_text(opaque={"base_value": "x", "inputs": {}}),
    "a base value is not a number": '{"version": 3, "settings": {"opaque": {"base_value": NaN, "inputs": {}}}}',
    "no inputs": brush_text(opaque={"base_value": 1}),
    "inputs are a number": brush_text(opaque={"base_value": 1, "inputs": {"pressure": 5}}),
    "a curve of three numbers a point": brush_text(opaque={"base_value": 1, "inputs": {"pressure": [[0, 1, 2]]}}),
    "a curve of one point": brush_text(opaque={"base_value": 1, "inputs": {"pressure": [[0, 1]]}}),
    "a curve of a hundred points": brush_text(
        opaque={"base_value": 1, "inputs": {"pressure": [[i / 100, 0] for i in range(100)]}}
    ),
}

TRY_BRUSHES = """
import sys
from artkit.errors import UsageError
from artkit_mypaint.brush import Brush
try:
    Brush(sys.argv[1])
except UsageError as error:
    print("refused", error.message)
"""


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_brush_file_is_refused(mypaint: None, tmp_path: Path, what: str) -> None:
    """In a process of its own, since libmypaint ends the process on some of them."""
    file = tmp_path / "broken.myb"
    file.write_text(BROKEN[what])
    run = subprocess.run([sys.executable, "-c", TRY_BRUSHES, str(file)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("refused")
    assert str(file) in run.stdout


# ---------------------------------------------------------------------------------------------- a machine without it
@pytest.mark.usefixtures("no_engine")
def test_without_the_library_the_message_names_the_package() -> None:
    with pytest.raises(MyPaintMissing, match=r"apt install libmypaint-1.5-1 mypaint-brushes") as raised:
        Brush("classic/dry_brush")
    assert "brew install libmypaint" in raised.value.hint
    with pytest.raises(MyPaintMissing):
        Workers("classic/dry_brush")


def test_without_brushes_the_message_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(brush_files, "brush_folders", lambda: (tmp_path,))
    with pytest.raises(MyPaintMissing, match="apt install mypaint-brushes"):
        find_brush("classic/dry_brush")


def test_a_library_can_be_named(mypaint: None, monkeypatch: pytest.MonkeyPatch) -> None:
    found = libmypaint.find()
    assert found is not None
    monkeypatch.setenv("ARTKIT_LIBMYPAINT", "/nowhere/libmypaint.so")
    assert libmypaint.find() == found
    mapped = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libmypaint" in line]
    monkeypatch.setenv("ARTKIT_LIBMYPAINT", mapped[0])
    assert libmypaint.find() == mapped[0]


def test_a_process_that_died_is_one_clear_error(mypaint: None, random_actions: Actions) -> None:
    workers = Workers("classic/dry_brush", 1)
    traces, corners = traces_of(random_actions(200)), np.full((200, 2), -16)
    workers.paint(traces, corners, 96, 96)
    for process in workers._processes:  # the very accident cannot be had through the interface
        process.kill()
        process.wait()
    with pytest.raises(ArtkitError, match="--resume"):
        workers.paint(traces, corners, 96, 96)
