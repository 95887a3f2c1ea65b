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
from artkit_mypaint.brush_files import brush_names, find_brush
from artkit_mypaint.libmypaint import MyPaintMissing


def test_all_classic_brushes_can_be_loaded(brushes: None) -> None:
    names = [name for name in brush_names() if name.startswith("classic/")]
    assert len(names) > 10
    for name in names:
        assert Brush(name).name == name


def test_the_error_for_an_unknown_brush_suggests_similar_names(brushes: None) -> None:
    with pytest.raises(UsageError, match=r"did you mean .*classic/dry_brush"):
        Brush("classic/drybrush")
    with pytest.raises(UsageError, match=r"did you mean .*classic/charcoal"):
        Brush("charcoal")
    with pytest.raises(UsageError, match='there is no brush "xyzzy"'):
        Brush("xyzzy")


def test_without_brushes_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(brush_files, "brush_folders", lambda: (tmp_path,))
    with pytest.raises(MyPaintMissing, match="apt install mypaint-brushes"):
        find_brush("classic/dry_brush")


def test_a_brush_can_be_the_path_of_a_file(
    dry_brush: Brush,
    tmp_path: Path,
    random_actions: Callable[..., Tensor],
    coverage: Callable[..., npt.NDArray[np.float64]],
) -> None:
    file = tmp_path / "custom.myb"
    file.write_bytes(find_brush("classic/dry_brush").read_bytes())
    actions = random_actions(2)
    np.testing.assert_array_equal(coverage(Brush(str(file)), actions), coverage(dry_brush, actions))


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
from artkit_mypaint.brush import Brush
try:
    Brush(sys.argv[1])
except UsageError as error:
    print("UsageError", error.message)
"""


@pytest.mark.parametrize("content", INVALID)
def test_an_invalid_brush_file_is_an_error(brushes: None, tmp_path: Path, content: str) -> None:
    """The brush is loaded in another process, since libmypaint ends the process for some of the files."""
    file = tmp_path / "invalid.myb"
    file.write_text(INVALID[content])
    run = subprocess.run([sys.executable, "-c", LOAD_BRUSH, str(file)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("UsageError")
    assert str(file) in run.stdout
