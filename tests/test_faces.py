"""The faces that stand in for CelebA: how they are drawn, and what is told where they cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from artkit.errors import ArtkitError, UsageError

DOCS = Path(__file__).parents[1] / "docs"
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 600">'
SVG = f'{HEAD}<circle cx="200" cy="320" r="100" fill="#f00"/></svg>'


@pytest.fixture(scope="module")
def faces(script: Callable[[str], Any]) -> Any:
    return script("docs/faces.py")


def test_a_face_fills_its_picture_and_has_a_ground(faces: Any) -> None:
    pytest.importorskip("resvg_py")
    seen = np.asarray(faces.picture(SVG, "hsl(240, 100%, 50%)", 40))
    assert seen.shape == (40, 40, 3)
    assert seen[20, 20].tolist() == [255, 0, 0]
    for corner in (seen[0, 0], seen[39, 39], seen[5, 20]):
        assert corner.tolist() == [0, 0, 255]


def test_they_are_written_by_number(faces: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resvg_py")
    monkeypatch.setattr(faces, "drawn", lambda count: ((SVG, "white") for _ in range(count)))
    done = CliRunner().invoke(faces.main, [str(tmp_path / "new"), "--count", "3"], catch_exceptions=False)
    assert done.exit_code == 0
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["00000.png", "00001.png", "00002.png"]


def test_a_folder_that_is_there_and_a_machine_without_node_are_told(
    faces: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="is already here"):
        faces.main.main([str(tmp_path)], standalone_mode=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ArtkitError, match=r"Node\.js, which is not there"):
        faces.main.main([str(tmp_path / "new")], standalone_mode=False)
    assert not (tmp_path / "new").exists()
