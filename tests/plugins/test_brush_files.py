"""Tests of `artkit_mypaint.brush_files`, and of the errors for invalid brush files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from torch import Tensor

from artkit.errors import UsageError
from artkit_mypaint import brush_files
from artkit_mypaint.brush import Brush
from artkit_mypaint.brush_files import SHIPPED, brush_names, find_brush
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.libmypaint_brush import LibMyPaintBrush


def test_all_classic_brushes_can_be_loaded() -> None:
    names = [name for name in brush_names() if name.startswith("classic/")]
    assert len(names) > 10
    for name in names:
        assert Brush(name).name == name


def test_libmypaint_loads_all_classic_brushes(mypaint: None) -> None:
    for name in brush_names():
        if name.startswith("classic/"):
            assert LibMyPaintBrush(name).name == name


def test_the_error_for_an_unknown_brush_suggests_similar_names() -> None:
    with pytest.raises(UsageError, match=r"did you mean .*classic/dry_brush"):
        Brush("classic/drybrush")
    with pytest.raises(UsageError, match=r"did you mean .*classic/charcoal"):
        Brush("charcoal")
    with pytest.raises(UsageError, match='there is no brush "xyzzy"'):
        Brush("xyzzy")


def test_without_brushes_the_error_names_the_command_that_lists_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(brush_files, "brush_folders", lambda: (tmp_path,))
    with pytest.raises(UsageError, match=r'there is no brush "classic/dry_brush"\n.*artkit brushes'):
        find_brush("classic/dry_brush")


def test_brushes_ship_with_artkit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without MyPaint and its brushes; those of ``$ARTKIT_BRUSHES`` come first."""
    for name in ("XDG_DATA_HOME", "XDG_DATA_DIRS", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr(brush_files, "brush_folders", brush_files.brush_folders.__wrapped__)
    assert SHIPPED in brush_files.brush_folders()
    assert len(list(SHIPPED.rglob("*.myb"))) > 70
    assert {p.relative_to(SHIPPED).with_suffix("").as_posix() for p in SHIPPED.rglob("*.myb")} <= set(brush_names())
    assert find_brush("classic/dry_brush") == SHIPPED / "classic/dry_brush.myb"
    own = tmp_path / "own" / "classic" / "dry_brush.myb"
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    monkeypatch.setenv("ARTKIT_BRUSHES", str(tmp_path / "own"))
    assert find_brush("classic/dry_brush") == own


def test_all_shipped_brushes_are_supported() -> None:
    for file in SHIPPED.rglob("*.myb"):
        assert Engine(str(file)).brush.unsupported_setting is None


def test_a_brush_can_be_the_path_of_a_file(
    dry_brush: Engine,
    tmp_path: Path,
    random_actions: Callable[..., Tensor],
    coverage: Callable[..., npt.NDArray[np.float64]],
) -> None:
    file = tmp_path / "custom.myb"
    file.write_bytes(find_brush("classic/dry_brush").read_bytes())
    actions = random_actions(2)
    np.testing.assert_array_equal(coverage(Engine(str(file)), actions), coverage(dry_brush, actions))


# ------------------------------------------------------------------------------------------------- invalid brush files
def brush_text(**settings: object) -> str:
    return json.dumps({"version": 3, "settings": settings})


INVALID = {
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
    "a curve with three numbers per point": brush_text(opaque={"base_value": 1, "inputs": {"pressure": [[0, 1, 2]]}}),
    "a curve of one point": brush_text(opaque={"base_value": 1, "inputs": {"pressure": [[0, 1]]}}),
    "a curve of a hundred points": brush_text(
        opaque={"base_value": 1, "inputs": {"pressure": [[i / 100, 0] for i in range(100)]}}
    ),
}

LOAD_BRUSH = """
import sys
from artkit.errors import UsageError
from artkit_mypaint import libmypaint
from artkit_mypaint.brush import Brush
from artkit_mypaint.engine.engine import Engine
from artkit_mypaint.libmypaint_brush import LibMyPaintBrush

for load in (Brush, Engine, LibMyPaintBrush if libmypaint.find() else Brush):
    try:
        load(sys.argv[1])
    except UsageError as error:
        print("UsageError", error.message)
"""


@pytest.mark.parametrize("content", INVALID)
def test_an_invalid_brush_file_is_an_error(tmp_path: Path, content: str) -> None:
    """The brush is loaded in another process, since libmypaint would end the process for some of the files."""
    file = tmp_path / "invalid.myb"
    file.write_text(INVALID[content])
    run = subprocess.run([sys.executable, "-c", LOAD_BRUSH, str(file)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.startswith("UsageError")
        assert str(file) in line


def test_a_name_that_is_too_long_for_a_file_is_an_error() -> None:
    for name in (300 * "a", f"{300 * 'a'}.myb", "a\0b.myb"):
        with pytest.raises(UsageError, match="there is no brush"):
            find_brush(name)
