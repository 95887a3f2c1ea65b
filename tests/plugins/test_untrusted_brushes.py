"""Brush files from strangers: each is a clear error, or paints; none hangs or ends the process."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from artkit.errors import UsageError
from artkit_mypaint.brush import MAX_FILE_BYTES
from artkit_mypaint.engine.brush_program import INPUTS, SETTINGS
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.kernels import MAX_DABS
from artkit_mypaint.pen_paths import PenPaths
from artkit_mypaint.tracing import trace_actions

pytestmark = pytest.mark.timeout(120)

Actions = Callable[..., Tensor]
Paths = Callable[..., PenPaths]


def paint(brush: Path, paths: PenPaths) -> npt.NDArray[np.uint16]:
    """Paint strokes on patches and in a picture; return the patches."""
    engine = Engine(str(brush))
    patches = engine.paint(paths, np.full((len(paths), 2), -16), 96, 96)
    picture = engine.paint_window([paths], (-10, -10, 40, 40), (1.0, 0.5, 0.0))
    assert np.isfinite(picture).all()
    assert picture.min() >= 0
    assert picture.max() <= 1
    _, counts = engine.dabs(paths)
    assert counts.max(initial=0) <= MAX_DABS
    return patches


@pytest.fixture
def two_strokes(random_actions: Actions, pen_paths: Paths) -> PenPaths:
    return pen_paths(random_actions(2, seed=1, start_pressure=0.6, end_pressure=0.7))


# -------------------------------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("setting", "value"),
    [("dabs_per_second", 1e9), ("dabs_per_actual_radius", 1e9), ("dabs_per_basic_radius", 1e30)],
)
def test_a_brush_of_too_many_dabs_is_an_error(
    setting: str, value: float, changed_brush: Callable[..., Path], two_strokes: PenPaths
) -> None:
    file = changed_brush(setting, value)
    engine = Engine(str(file))
    corners = np.zeros((2, 2), np.int64)
    start = time.monotonic()
    for call in (
        lambda: engine.paint(two_strokes, corners, 8, 8),
        lambda: engine.dabs(two_strokes),
        lambda: engine.paint_window([two_strokes], (0, 0, 8, 8), (1.0, 1.0, 1.0)),
    ):
        with pytest.raises(UsageError, match=rf"{setting}.myb.* draws more than 100,000 dabs.*\n.*{setting}"):
            call()
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    ("setting", "content", "message"),
    [
        ("opaque", '{"base_value": NaN, "inputs": {}}', "a value of opaque is not a number"),
        ("opaque", '{"base_value": 1e999, "inputs": {}}', "a value of opaque is not a number"),
        ("opaque", '{"base_value": 1e300, "inputs": {}}', "a value of opaque is not a number"),
        ("opaque", f'{{"base_value": 1{400 * "0"}, "inputs": {{}}}}', "a value of opaque is not a number"),
        ("hardness", '{"base_value": 1, "inputs": {"pressure": [[0, 0], [NaN, 1]]}}', "value of hardness is not a num"),
        ("hardness", '{"base_value": 1, "inputs": {"pressure": [[0, 0], [1, NaN]]}}', "value of hardness is not a num"),
        (
            "hardness",
            f'{{"base_value": 1, "inputs": {{"pressure": [{",".join(["[0,0]"] * 100_000)}]}}}}',
            "a curve of hardness does not have 2 to 64 points",
        ),
    ],
    ids=["NaN", "infinite", "too large", "integer", "x is NaN", "y is NaN", "100,000 points"],
)
def test_the_error_names_the_file_and_the_setting(setting: str, content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "hostile.myb"
    file.write_text(f'{{"version": 3, "settings": {{"{setting}": {content}}}}}')
    assert file.stat().st_size < MAX_FILE_BYTES
    with pytest.raises(UsageError, match=f"hostile.myb is not a MyPaint brush.*{message}"):
        Engine(str(file))


def test_whole_numbers_of_any_size_are_numbers(changed_brush: Callable[..., Path], two_strokes: PenPaths) -> None:
    paint(changed_brush("opaque", 1, pressure=[[0, -(10**30)], [1, 10**30]]), two_strokes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b" " * (2 << 20), "it is larger than 1 MB"),
        (b"hello", "hostile.myb is not a MyPaint brush"),
        (b"\xff\xfe\x00", "hostile.myb is not a MyPaint brush"),
        (b"[" * 100_000, "hostile.myb is not a MyPaint brush"),
        (b'{"version": 4, "settings": {}}', "its version is 4"),
        (b'{"settings": {}}', "hostile.myb is not a MyPaint brush"),
    ],
    ids=["2 MB", "not JSON", "not text", "nested", "version 4", "no version"],
)
def test_a_file_that_is_no_brush_is_an_error(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "hostile.myb"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        Engine(str(file))


# ------------------------------------------------------------------------------------------------------------ painting
def test_unknown_settings_and_inputs_have_no_effect(
    changed_brush: Callable[..., Path], dry_brush: Engine, two_strokes: PenPaths
) -> None:
    expected = dry_brush.paint(two_strokes, np.full((2, 2), -16), 96, 96)
    assert expected.max() > 0
    np.testing.assert_array_equal(paint(changed_brush("unheard_of", 5.0), two_strokes), expected)
    hardness = dry_brush.brush.settings["hardness"]
    file = changed_brush("hardness", hardness["base_value"], **hardness["inputs"], thoughts=[[0.0, 1.0], [1.0, 9.0]])
    np.testing.assert_array_equal(paint(file, two_strokes), expected)


@pytest.mark.parametrize(
    ("setting", "value", "curve"),
    [
        ("radius_logarithmic", 1e6, None),
        ("radius_logarithmic", 0.0, [[0.0, -1e6], [1.0, 1e6]]),
        ("opaque", 1e30, None),
        ("opaque", -1e30, None),
        ("hardness", 1e30, None),
        ("elliptical_dab_ratio", 1e30, None),
        ("elliptical_dab_ratio", -1.0, None),
        ("elliptical_dab_angle", 1e30, None),
        ("offset_by_random", 1e30, None),
        ("offset_multiplier", 1e30, None),
        ("tracking_noise", 1e30, None),
        ("slow_tracking", -1e30, None),
        ("anti_aliasing", -1e30, None),
        ("snap_to_pixel", 1e30, None),
        ("speed1_gamma", 1e6, None),
        ("gridmap_scale", -1e6, None),
        ("stroke_duration_logarithmic", -1e6, None),
    ],
)
def test_extreme_settings_paint(
    setting: str, value: float, curve: Any, changed_brush: Callable[..., Path], two_strokes: PenPaths
) -> None:
    file = changed_brush(setting, value, **({"pressure": curve} if curve else {}))
    try:
        paint(file, two_strokes)
    except UsageError as error:
        assert re.search(rf"{setting}.myb.*dabs", error.message)  # noqa: PT017


_extremes = st.sampled_from(
    [0.0, 1.0, -1.0, 0.5, 10.0, -10.0, 1e-30, 89.0, -120.0, 1e4, -1e4, 1e9, -1e9, 1e30, -1e30, math.pi]
)
_curves = st.lists(st.tuples(_extremes, _extremes), min_size=2, max_size=4)
_brushes = st.dictionaries(
    st.sampled_from([*SETTINGS, "speed1_gamma", "speed2_gamma"]),
    st.fixed_dictionaries(
        {"base_value": _extremes, "inputs": st.dictionaries(st.sampled_from(INPUTS), _curves, max_size=2)}
    ),
    max_size=8,
)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@settings(max_examples=400, deadline=None, derandomize=True)
@given(brush=_brushes, seed=st.integers(0, 1000))
def test_any_brush_paints_or_is_an_error(
    brush: dict[str, Any], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.myb"
    file.write_text(json.dumps({"version": 3, "settings": brush}))
    actions = torch.rand(2, 12, generator=torch.Generator().manual_seed(seed))
    paths = trace_actions(actions, torch.zeros(2, 2), 32, torch.arange(2), 0)
    start = time.monotonic()
    try:
        paint(file, paths)
    except UsageError as error:
        assert str(file) in error.message  # noqa: PT017
    assert time.monotonic() - start < 60
