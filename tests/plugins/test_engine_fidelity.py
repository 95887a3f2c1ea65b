"""Tests of `artkit fidelity mypaint`: the comparison of the brush engine with libmypaint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner

from artkit import UsageError
from artkit.cli.main import cli
from artkit_mypaint import engine_fidelity
from artkit_mypaint.brush_files import brush_names
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.engine.rasterizing import ONE
from artkit_mypaint.engine_fidelity import compare
from artkit_mypaint.pen_paths import PenPaths

BRUSH = "classic/dry_brush"
KEYS = (
    "strokes", "equal_counts", "dab_error_p99", "coverage_error_mean", "coverage_error_p999", "coverage_error_max",
)  # fmt: skip


class Disturbed(Engine):
    """An engine of which one stroke lacks a dab, one has displaced dabs, and the rest of the coverage is 1/8 off."""

    def dabs(self, paths: PenPaths) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        dabs, counts = super().dabs(paths)
        first, second = counts[:2]
        dabs[first : first + second, 0] += 0.25
        return dabs[1:], counts - (np.arange(len(counts)) == 0)

    def paint(self, paths: PenPaths, corners: npt.NDArray[np.int64], width: int, height: int) -> npt.NDArray[np.uint16]:
        coverages = super().paint(paths, corners, width, height)
        coverages[1:, 0, 0] += ONE // 8
        return coverages


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("brush", [BRUSH, "classic/calligraphy"])
def test_engine_equals_libmypaint(brush: str) -> None:
    figures = compare(brush, 60, seed=3)
    assert tuple(figures) == KEYS
    assert figures["strokes"] == 60
    assert figures["equal_counts"] == 1
    assert figures["dab_error_p99"] <= 1e-5
    assert figures["coverage_error_mean"] <= 1e-5
    assert figures["coverage_error_mean"] <= figures["coverage_error_max"] <= 0.02


@pytest.mark.usefixtures("mypaint")
@pytest.mark.parametrize("chunk", [7, 250])
def test_differences_are_measured(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 7, 7 and 6 strokes have three disturbed strokes of each kind, one chunk has one."""
    monkeypatch.setattr(engine_fidelity, "Engine", Disturbed)
    monkeypatch.setattr(engine_fidelity, "_CHUNK_STROKES", chunk)
    chunks = -(-20 // chunk)
    figures = compare(BRUSH, 20, seed=0, side=16)
    assert figures["equal_counts"] == pytest.approx(1 - chunks / 20)
    assert figures["dab_error_p99"] == pytest.approx(0.25, abs=1e-3)
    assert figures["coverage_error_max"] == pytest.approx(0.125, abs=1e-3)
    assert figures["coverage_error_mean"] == pytest.approx(0.125 * (20 - chunks) / (20 * 48 * 48), rel=1e-2)
    assert figures["coverage_error_p999"] <= 1e-3


@pytest.mark.usefixtures("mypaint")
def test_no_common_dabs_give_no_dab_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_fidelity, "dabs_of_strokes", lambda *_: np.empty((0, 9)))
    figures = compare(BRUSH, 5, seed=0)
    assert figures["equal_counts"] == figures["dab_error_p99"] == 0


@pytest.mark.usefixtures("mypaint")
def test_strokes_depend_on_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean coverage is compared with none."""
    monkeypatch.setattr(engine_fidelity, "paint_coverages", lambda *_: np.zeros(1, np.uint16))
    assert compare(BRUSH, 20, seed=1) == compare(BRUSH, 20, seed=1)
    assert compare(BRUSH, 20, seed=1) != compare(BRUSH, 20, seed=2)


# ------------------------------------------------------------------------------------------------------ colour dynamics
@pytest.mark.usefixtures("mypaint")
def test_brushes_with_colour_dynamics_are_compared_by_their_coverage(changed_brush: Callable[..., Path]) -> None:
    brush = str(changed_brush("change_color_h", 0.0, random=[[0.0, 0.0], [1.0, 0.3]]))
    assert compare(brush, 40, seed=1) == compare(BRUSH, 40, seed=1)


@pytest.mark.usefixtures("mypaint")
def test_brush_of_mypaint_with_colour_dynamics() -> None:
    if "classic/short_grass" not in brush_names():
        pytest.skip("does not ship with artkit")
    figures = compare("classic/short_grass", 40, seed=1)
    assert figures["equal_counts"] >= 0.98
    assert figures["coverage_error_mean"] <= 1e-4


@pytest.mark.parametrize("setting", ["smudge", "eraser", "lock_alpha", "colorize", "posterize"])
def test_brushes_whose_coverage_depends_on_the_canvas_are_refused(
    setting: str, changed_brush: Callable[..., Path]
) -> None:
    with pytest.raises(UsageError, match=f"uses {setting}"):
        compare(str(changed_brush(setting, 0.5)), 5, seed=0)


# -------------------------------------------------------------------------------------------------------------- command
def fidelity(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["fidelity", "mypaint", "--strokes", "100", *arguments], catch_exceptions=False)


@pytest.mark.usefixtures("mypaint")
def test_command_prints_the_figures() -> None:
    printed = json.loads(fidelity("--seed", "4", "--brush", "classic/pencil", "--json").stdout)
    assert printed == {"brush": "classic/pencil", "seed": 4, **compare("classic/pencil", 100, 4)}
    lines = fidelity().stdout.splitlines()
    assert lines[0] == f"the brush engine and libmypaint, {BRUSH}, 100 strokes"
    assert lines[1].split() == ["strokes", "with", "equal", "numbers", "of", "dabs", "100.00", "%"]
    assert len(lines) == 6


@pytest.mark.usefixtures("no_libmypaint")
def test_command_without_libmypaint_is_one_error() -> None:
    result = fidelity()
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("libmypaint is not installed") == 1
    assert "apt install libmypaint" in result.stderr
