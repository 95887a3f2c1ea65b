"""Tests of `artkit_mypaint.triton_engine` by Triton's interpreter: its strokes are those of the compiled engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from artkit_mypaint.brush import Brush
from artkit_mypaint.brush_catalogue import supported_brushes
from artkit_mypaint.engine.brush_program import INPUTS, BrushProgram
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.kernels import MAX_DABS, draw_strokes
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.pen_paths import PenPaths
from artkit_mypaint.tracing import PathTensors, path_tensors

pytest.importorskip("triton")

from artkit_mypaint.triton_engine import brush_step
from artkit_mypaint.triton_engine import engine as triton_engine
from artkit_mypaint.triton_engine.engine import TritonEngine, paint_patches
from artkit_mypaint.triton_engine.program import constant_program, is_bounded, max_dabs
from artkit_mypaint.triton_engine.rasterizing import draw_patches, draw_window

Actions = Callable[..., Tensor]

# Lanes that do not take a step divide by what they have.
pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in divide:RuntimeWarning")

STROKES = 12
EVENTS = [
    0,
    1,
    9,
    18,
    27,
    36,
    45,
    51,
]  # of the pen that are used: the interpreter takes a tenth of a second for each dab


def curve(*points: float) -> list[list[float]]:
    return [[points[i], points[i + 1]] for i in range(0, len(points), 2)]


def constant(value: float) -> dict[str, Any]:
    return {"base_value": value, "inputs": {}}


def varying(value: float, **inputs: list[list[float]]) -> dict[str, Any]:
    return {"base_value": value, "inputs": inputs}


ALL_FILTERS = {
    "radius_logarithmic": varying(1.5, pressure=curve(0, -0.5, 0.4, 0.1, 1, 0.5), random=curve(0, 0, 1, 0.2)),
    "hardness": varying(0.7, speed1=curve(0, -0.1, 4, 0.2), stroke=curve(0, 0, 1, -0.3)),
    "opaque": varying(0.8, custom=curve(-2, -0.3, 2, 0.3), direction=curve(0, 0, 90, -0.3, 180, 0)),
    "opaque_linearize": constant(0.9),
    "dabs_per_actual_radius": varying(0.25, pressure=curve(0, 0, 1, 0.1)),
    "dabs_per_basic_radius": constant(0.1),
    "dabs_per_second": constant(0.3),
    "speed1_slowness": constant(0.04),
    "speed2_slowness": constant(0.8),
    "elliptical_dab_ratio": varying(1.2, speed2=curve(-1, 0, 4, 2), gridmap_x=curve(0, 0, 256, 1)),
    "elliptical_dab_angle": varying(0.0, direction_angle=curve(0, 0, 360, 360)),
    "direction_filter": constant(1.0),
    "custom_input": varying(0.0, gridmap_y=curve(0, -1, 256, 1), attack_angle=curve(-180, -1, 180, 1)),
    "custom_input_slowness": constant(0.3),
    "stroke_duration_logarithmic": constant(2.0),
    "stroke_holdtime": constant(0.5),
    "offset_by_speed": constant(0.3),
    "offset_by_speed_slowness": constant(1.0),
    "slow_tracking": constant(1.0),
    "slow_tracking_per_dab": constant(0.5),
}
ALL_OFFSETS = {
    "radius_logarithmic": varying(1.6, brush_radius=curve(0, 0, 3, -0.2), viewzoom=curve(-1, 0.1, 1, -0.1)),
    "hardness": varying(0.9, tilt_declination=curve(0, 0, 90, -0.2), tilt_declinationx=curve(0, 0, 90, -0.1)),
    "opaque": constant(1.2),
    "opaque_linearize": constant(0.0),
    "dabs_per_actual_radius": constant(0.4),
    "dabs_per_basic_radius": constant(0.0),
    "radius_by_random": constant(0.3),
    "offset_by_random": varying(0.2, pressure=curve(0, 0, 1, 0.5)),
    "tracking_noise": constant(0.4),
    "snap_to_pixel": varying(0.0, random=curve(0, 0, 0.5, 0.4, 0.5, 1, 1, 1)),
    "pressure_gain_log": constant(0.2),
    "offset_x": constant(0.3),
    "offset_y": varying(-0.2, pressure=curve(0, 0, 1, 0.4)),
    "offset_angle": constant(0.2),
    "offset_angle_asc": constant(0.1),
    "offset_angle_view": constant(0.1),
    "offset_angle_2": constant(0.3),
    "offset_angle_2_asc": constant(0.2),
    "offset_angle_2_view": constant(0.1),
    "offset_angle_adj": varying(10.0, tilt_ascension=curve(-180, 0, 180, 20)),
    "offset_multiplier": constant(0.3),
}


ALL_COLOURS = {
    "radius_logarithmic": constant(1.5),
    "dabs_per_actual_radius": constant(0.3),
    "change_color_h": varying(0.0, random=curve(0, -0.5, 1, 0.5)),
    "change_color_l": varying(0.0, pressure=curve(0, -0.2, 0.5, 0, 1, 0.2)),
    "change_color_v": varying(0.1, stroke=curve(0, -0.3, 1, 0.3)),
    "change_color_hsl_s": constant(0.3),
    "change_color_hsv_s": varying(0.0, random=curve(0, -1, 1, 1)),
}


@pytest.fixture(params=["all filters", "all offsets", "tanda/splatter-02", "all colours"])
def brush(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    settings = {"all filters": ALL_FILTERS, "all offsets": ALL_OFFSETS, "all colours": ALL_COLOURS}.get(request.param)
    if settings is None:
        return str(request.param)
    file = tmp_path / "brush.myb"
    file.write_text(json.dumps({"version": 3, "settings": settings}))
    return str(file)


def paths_of(actions: Tensor, side: int = 32, origin: float = 0.0) -> tuple[PathTensors, PenPaths]:
    """Pen paths of strokes with few events, for both engines."""
    paths = path_tensors(actions, torch.full((len(actions), 2), origin), side, torch.arange(len(actions)), 3)
    paths = paths._replace(points=paths.points[:, EVENTS].contiguous())
    arrays = (paths.points.numpy(), paths.log_radius.numpy(), actions[:, 9:].double().numpy(), paths.seeds.numpy())
    return paths, PenPaths(*arrays, zoom=paths.zoom)


@pytest.mark.slow
def test_triton_kernels_compute_the_dabs_and_coverages_of_the_engine(brush: str, random_actions: Actions) -> None:
    actions = random_actions(STROKES)
    actions[0, 6] = 0  # pressure that sets in suddenly
    engine = Engine(brush)
    paths, arrays = paths_of(actions, origin=5000.0)
    expected, expected_counts = engine.dabs(arrays)
    dabs, counts = TritonEngine(engine.brush).dabs(paths)
    assert counts.tolist() == expected_counts.tolist()
    assert len(expected) > 2 * STROKES
    drawn = torch.cat([stroke[:count] for stroke, count in zip(dabs, counts.tolist(), strict=True)])
    np.testing.assert_allclose(drawn.numpy(), expected, atol=2e-4, rtol=1e-5)
    paths, arrays = paths_of(actions[:3])
    corners = torch.full((3, 2), -8)
    patches = TritonEngine(engine.brush).paint(paths, corners, 48, 40)
    if engine.brush.colour_setting:
        painted = engine.paint_coloured(arrays, corners.numpy(), 48, 40).transpose(0, 3, 1, 2)
        assert expected[:, 9:].std(0).min() > 0.05
    else:
        painted = engine.paint(arrays, corners.numpy(), 48, 40)[:, None]
    np.testing.assert_allclose(patches.numpy(), painted / ONE, atol=2e-3)
    assert patches.amax((0, 2, 3)).min() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["round", "elliptic"])
@pytest.mark.parametrize("radius", [1.3, 2.9, 9.0])
def test_triton_draws_dabs_to_the_last_bit(shape: str, radius: float) -> None:
    rng = np.random.default_rng(4)
    dabs = np.zeros((2, 8, 9), np.float32)
    dabs[..., :2] = rng.uniform(-2, 22, (2, 8, 2))
    dabs[..., 2] = radius
    dabs[..., 3] = rng.uniform(0.1, 1.2, (2, 8))
    dabs[..., 4] = rng.choice([0.02, 0.3, 0.8, 1.0], (2, 8))
    dabs[..., 5] = 1 if shape == "round" else rng.uniform(1, 5, (2, 8))
    dabs[..., 6] = -90 if shape == "round" else rng.uniform(-180, 180, (2, 8))
    corners = np.array([[-1, 0], [3, -2]])
    coverages = torch.empty(2, 1, 18, 20)
    counts = torch.tensor([8, 6], dtype=torch.int32)
    arguments = (torch.from_numpy(dabs), counts, torch.from_numpy(corners).int(), coverages)
    draw_patches[2, 4](*arguments, 8, 20, 18, 9, 16, 16)
    for stroke in range(2):
        expected = np.zeros((18, 20, 1), np.uint16)
        ends = np.array([int(counts[stroke])])
        draw_strokes(expected, dabs[stroke], ends, corners[stroke : stroke + 1], np.zeros((1, 3), np.uint32))
        assert expected.max() > 3000
        np.testing.assert_array_equal(coverages[stroke, 0].numpy() * ONE, expected[..., 0])


@pytest.mark.parametrize("values", [9, 12])
def test_triton_draws_strokes_over_each_other_to_the_last_bit(values: int) -> None:
    """Dabs of 9 values have the colour of their stroke, those of 12 their own."""
    rng = np.random.default_rng(5)
    dabs = rng.uniform(0.05, 0.95, (2, 3, values)).astype(np.float32)
    dabs[..., :2] = rng.uniform(0, 20, (2, 3, 2))
    dabs[..., 2], dabs[..., 5], dabs[..., 6] = [1.5, 5, 7], [1, 1, 2], [-90, -90, 30]
    corners, colours = np.array([[-1, 0], [3, -2]]), rng.integers(0, ONE, (2, 3))
    expected = rng.integers(0, ONE, (18, 20, 4)).astype(np.uint16)
    pixels = torch.from_numpy(expected.astype(np.int32))
    draw_strokes(expected, dabs[[0, 0, 0, 1, 1], [0, 1, 2, 0, 1]], np.array([3, 5]), corners, colours.astype(np.uint32))
    assert (expected != pixels.numpy()).any((0, 1)).all()
    counts, device_corners = torch.tensor([3, 2], dtype=torch.int32), torch.from_numpy(corners).int()
    boxes = triton_engine._boxes(torch.from_numpy(dabs), counts, device_corners)
    arguments = (torch.from_numpy(dabs), counts, device_corners, boxes, torch.from_numpy(colours).int(), pixels)
    draw_window[4,](*arguments, 2, 3, 20, 18, values, 16, 16)
    np.testing.assert_array_equal(pixels.numpy(), expected)


@pytest.mark.slow
def test_triton_paints_many_strokes_in_parts(random_actions: Actions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_engine, "_MAX_BUFFER_BYTES", 1)
    paths, arrays = paths_of(random_actions(34))
    corners = torch.tensor([8, 8]).expand(34, 2)
    coverages = TritonEngine(Brush("tanda/splatter-02")).paint(paths, corners, 16, 16)[:, 0]
    expected = Engine("tanda/splatter-02").paint(arrays, corners.numpy(), 16, 16) / ONE
    assert expected[32:].max() > 0
    np.testing.assert_allclose(coverages.numpy(), expected, atol=2e-3)


def test_triton_inputs_have_the_order_of_the_engine() -> None:
    assert [name.replace("_x", "x").replace("_y", "y") for name in brush_step.Inputs._fields] == [
        name.replace("_x", "x").replace("_y", "y") for name in INPUTS
    ]


def test_no_stroke_of_a_brush_has_more_dabs_than_triton_has_room_for(random_actions: Actions) -> None:
    actions = random_actions(24)
    actions[8:, :6] = actions[8:, :6].round()  # the longest curves
    actions[8:, 8] = torch.tensor([0.0, 1.0]).repeat(8)
    for brush in supported_brushes():
        engine = Engine(brush.name)
        program = constant_program(BrushProgram.from_settings(brush.settings))
        for side in (16, 200):
            paths = path_tensors(actions, torch.zeros(len(actions), 2), side, torch.arange(len(actions)), 3)
            arrays = (paths.points.numpy(), paths.log_radius.numpy(), actions[:, 9:].numpy(), paths.seeds.numpy())
            counts = engine.dabs(PenPaths(*arrays, zoom=paths.zoom))[1]
            low, high = float(paths.log_radius.min()), float(paths.log_radius.max())
            bound = max_dabs(program, brush.max_radius_offset, low, high, paths.zoom)
            assert counts.max() <= bound <= MAX_DABS, brush.name
            assert is_bounded(program)
            if bound < MAX_DABS:
                assert bound < 200 * max(counts.max(), 10), brush.name


def test_triton_patches_have_a_shape_without_being_painted(random_actions: Actions) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        seeds = torch.empty(5, dtype=torch.int64)
        paths = PathTensors(torch.empty(5, 52, 3), torch.empty(5), torch.empty(5, 3), seeds, 1.0)
        coverages = paint_patches("classic/pen", *paths, torch.zeros(5, 2), 20, 30)
        patches = paint_patches("experimental/fur", *paths, torch.zeros(5, 2), 20, 30)
    assert coverages.shape == (5, 1, 30, 20)
    assert patches.shape == (5, 4, 30, 20)
    assert coverages.dtype == torch.float32


COMPILE = """
import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

class Driver:  # of a GPU that is not there: kernels are compiled for it, and not run
    get_current_target = staticmethod(lambda: GPUTarget("cuda", 90, 32))
    get_current_device = staticmethod(lambda: 0)
    get_current_stream = staticmethod(lambda device=None: 0)

driver.set_active(Driver())
from artkit_mypaint.brush import Brush
from artkit_mypaint.tracing import path_tensors
from artkit_mypaint.triton_engine import engine, transmittance

class Compiled:
    def __init__(self, kernel):
        self.kernel = kernel

    def __getitem__(self, grid):
        def compile(*arguments, **options):
            asm = self.kernel.warmup(*arguments, grid=grid, **options).asm
            print(len(asm["cubin"]), "div.full" in asm["ptx"], "fma.rn.f32" in asm["ptx"])
        return compile

engine.stroke_dabs, engine.draw_patches = Compiled(engine.stroke_dabs), Compiled(engine.draw_patches)
engine.draw_window = Compiled(engine.draw_window)
paths = path_tensors(torch.rand(40, 12), torch.zeros(40, 2), 32, torch.arange(40), 0)
for brush in ("classic/dry_brush", "tanda/texture-12"):
    engine.TritonEngine(Brush(brush)).paint(paths, torch.zeros(40, 2), 48, 40)
    engine.TritonEngine(Brush(brush)).draw(paths, torch.zeros(40, 48, 4, dtype=torch.int32), 0, 0)
dabs, counts, pixels = torch.zeros(40, 6, 7), torch.zeros(40, dtype=torch.int32), torch.zeros(40, 40, 48)
Compiled(transmittance.sum_logs)[40, 9](dabs, counts, pixels, 6, 48, 40, 16)
Compiled(transmittance.sum_gradients)[40, 1](dabs, counts, pixels, dabs, 6, 48, 40, 16, 8)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Triton brings its assembler for Linux")
def test_triton_kernels_compile_for_a_gpu_with_exact_arithmetic(tmp_path: Path) -> None:
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    kernels = [line.split() for line in done.stdout.splitlines()]
    assert len(kernels) == 10
    assert all(int(size) > 5_000 for size, _, _ in kernels)
    for _, approximate_division, fused in kernels[:8]:  # the last two need not round as the CPU does
        assert (approximate_division, fused) == ("False", "False")


def test_triton_reports_strokes_with_too_many_dabs(
    tmp_path: Path, random_actions: Actions, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "dense.myb"
    file.write_text(json.dumps({"version": 3, "settings": {"dabs_per_second": constant(100_000.0)}}))
    engine = TritonEngine(Brush(str(file)))
    assert engine.capacity(1.0) == MAX_DABS
    monkeypatch.setattr(engine, "capacity", lambda _: 3)
    monkeypatch.setattr(triton_engine, "MAX_DABS", 3)
    paths, _ = paths_of(random_actions(2))
    with pytest.raises(Exception, match="more than 3 dabs on one stroke"):
        engine.paint(paths, torch.zeros(2, 2), 8, 8)
