"""Tests of the parts of the brush engine: random numbers, settings, and the cache of compiled kernels."""

from __future__ import annotations

import ctypes
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artkit_mypaint import libmypaint
from artkit_mypaint.engine import kernels
from artkit_mypaint.engine.brush_program import INPUTS, SETTINGS, BrushProgram
from artkit_mypaint.engine.brush_step import evaluate_settings
from artkit_mypaint.engine.random_numbers import STATE_SIZE, gaussian, seed_generator, uniform


# ------------------------------------------------------------------------------------------------------ random numbers
def generator_state(seed: int) -> npt.NDArray[np.float64]:
    state = np.zeros(STATE_SIZE)
    seed_generator(state, seed)
    return state


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("seed", [0, 1000, 2**30 - 1])
def test_random_numbers_equal_those_of_libmypaint(seed: int) -> None:
    lib = libmypaint.library()
    following = lib.rng_double_next
    following.restype, following.argtypes = ctypes.c_double, (ctypes.c_void_p,)
    generator = lib.rng_double_new(seed)
    try:
        expected = [following(generator) for _ in range(200)]
    finally:
        lib.rng_double_free(generator)
    state = generator_state(seed)
    assert [uniform(state) for _ in range(200)] == expected


def test_random_numbers_are_uniform_and_normal() -> None:
    state = generator_state(5)
    numbers = np.array([uniform(state) for _ in range(4000)])
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert np.histogram(numbers, 10, (0, 1))[0].min() > 330
    normal = np.array([gaussian(state) for _ in range(4000)])
    assert normal.mean() == pytest.approx(0, abs=0.06)
    assert normal.std() == pytest.approx(1, abs=0.04)
    assert np.abs(normal).max() <= 2 * 3**0.5


# ------------------------------------------------------------------------------------------------------------ settings
_values = st.floats(-100, 100, width=32)
_curves = st.lists(
    st.tuples(st.integers(-1000, 1000), _values), min_size=2, max_size=8, unique_by=lambda point: point[0]
).map(lambda points: [[x / 16, y] for x, y in sorted(points)])


def interpolate(curve: list[list[float]], at: float) -> float:
    """Piecewise linear; the first and last pieces extend to infinity, but for those that are constant."""
    x, y = np.array(curve).T
    piece = min(max(int(np.searchsorted(x, at)), 1), len(x) - 1)
    if x[0] <= at <= x[-1]:
        return float(np.interp(at, x, y))
    (x0, x1), (y0, y1) = x[piece - 1 : piece + 1], y[piece - 1 : piece + 1]
    return float(y0 + (y1 - y0) * (at - x0) / (x1 - x0))


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data())
def test_settings_are_their_base_values_plus_curves_over_inputs(data: Any) -> None:
    brush = data.draw(
        st.dictionaries(
            st.sampled_from(SETTINGS),
            st.fixed_dictionaries(
                {
                    "base_value": _values,
                    "inputs": st.dictionaries(st.sampled_from(INPUTS), _curves, max_size=3),
                }
            ),
            min_size=1,
            max_size=4,
        )
    )
    inputs = {name: data.draw(st.floats(-80, 80, width=32)) for name in INPUTS}
    program = BrushProgram.from_settings(brush)
    base, values = program.base.copy(), program.base.copy()
    evaluate_settings(program, base, np.array(list(inputs.values()), np.float32), values)
    for name, setting in brush.items():
        terms = [interpolate(curve, inputs[source]) for source, curve in setting["inputs"].items()]
        scale = sum(
            abs(y) * (1 + abs(inputs[source] - x) * 16) for source, curve in setting["inputs"].items() for x, y in curve
        )
        expected = setting["base_value"] + sum(terms)
        assert values[SETTINGS.index(name)] == pytest.approx(expected, abs=1e-5 * (1 + scale), rel=1e-4), name
    constant = [index for index, name in enumerate(SETTINGS) if name not in brush and name != "opaque_multiply"]
    np.testing.assert_array_equal(values[constant], base[constant])


def test_a_vertical_piece_of_a_curve_has_the_value_of_its_start() -> None:
    brush = {"hardness": {"base_value": 1.0, "inputs": {"pressure": [[0.0, 0.0], [0.5, 2.0], [0.5, 7.0], [1.0, 7.0]]}}}
    program = BrushProgram.from_settings(brush)
    for pressure, expected in ((-1.0, -3.0), (0.25, 2.0), (0.5, 3.0), (0.6, 8.0), (9.0, 8.0)):
        values = program.base.copy()
        inputs = np.zeros(len(INPUTS), np.float32)
        inputs[INPUTS.index("pressure")] = pressure
        evaluate_settings(program, program.base, inputs, values)
        assert values[SETTINGS.index("hardness")] == pytest.approx(expected)


def test_omitted_settings_have_the_defaults_of_mypaint() -> None:
    program = BrushProgram.from_settings({})
    values = dict(zip(SETTINGS, program.base.tolist(), strict=True))
    assert values["opaque"] == values["elliptical_dab_ratio"] == 1
    assert values["hardness"] == pytest.approx(0.8)
    assert values["radius_logarithmic"] == 2
    assert values["smudge" if "smudge" in values else "offset_x"] == 0
    assert [SETTINGS[setting] for setting, *_ in program.curved] == ["opaque_multiply"]


# --------------------------------------------------------------------------------------------------------------- cache
def test_the_hash_of_the_sources_changes_with_each_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Path(kernels.__file__).parent
    original = kernels._source_hash()
    copies = [Path(shutil.copy(file, tmp_path)) for file in package.glob("*.py")]
    monkeypatch.setattr(kernels, "__file__", str(tmp_path / "kernels.py"))
    assert kernels._source_hash() == original
    hashes = {original}
    for file in copies:
        text = file.read_text()
        file.write_text(text + "# changed\n")
        hashes.add(kernels._source_hash())
        file.write_text(text)
    assert len(hashes) == 1 + len(copies) > 5
    for kernel in (kernels.paint_patches, kernels.collect_dabs, kernels.draw_strokes):
        function: Any = kernel
        assert inspect.getclosurevars(function.py_func).nonlocals["source_hash"] == kernels._HASH


DRAW = """
import numpy as np
from artkit_mypaint.engine.kernels import draw_strokes
from artkit_mypaint.engine import kernels
pixels = np.zeros((8, 8, 4), np.uint16)
dabs = np.array([[4, 4, 3, 1, 0.9, 1, -90, 1, 1]], np.float32)
draw_strokes(pixels, dabs, np.array([1]), np.zeros((1, 2), np.int64), np.zeros((1, 3), np.uint32))
print(pixels.max(), sum(draw_strokes.stats.cache_hits.values()), kernels.__file__)
"""


@pytest.mark.slow
def test_kernels_are_cached_until_a_source_changes(tmp_path: Path) -> None:
    """By itself, numba notices only changes of the file that defines a kernel."""
    package = tmp_path / "artkit_mypaint"
    shutil.copytree(Path(kernels.__file__).parents[1], package, ignore=shutil.ignore_patterns("brushes", "__pycache__"))
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    environment = os.environ | {"PYTHONPATH": path, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def draw() -> tuple[int, int]:
        run = subprocess.run([sys.executable, "-c", DRAW], env=environment, capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, run.stderr
        paint, hits, file = run.stdout.split(maxsplit=2)
        assert Path(file.strip()).is_relative_to(tmp_path)
        return int(paint), int(hits)

    paint, hits = draw()
    assert paint > 30_000
    assert hits == 0
    assert draw() == (paint, 1)
    rasterizing = package / "engine" / "rasterizing.py"
    source = rasterizing.read_text()
    changed = source.replace("u32(min(opacity, _1) * _SCALE)", "u32(min(opacity, _1) * _SCALE * _HALF)")
    assert changed != source
    rasterizing.write_text(changed)
    halved, hits = draw()
    assert halved == pytest.approx(paint / 2, abs=2)
    assert hits == 0


def test_kernels_work_where_no_cache_can_be_written() -> None:
    script = (
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"  # as where neither the package nor a home can be written
        "from artkit_mypaint.engine import kernels\n"
        "print(kernels.paint_patches.py_func.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.strip() == "paint_patches", done.stderr
