"""The script that draws cartoon faces as a substitute for CelebA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from artkit import ArtkitError, UsageError

DOCS = Path(__file__).parents[1] / "docs"
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 600">'
SVG = f'{HEAD}<circle cx="200" cy="320" r="100" fill="#f00"/></svg>'


@pytest.fixture(scope="module")
def faces(script: Callable[[str], Any]) -> Any:
    return script("docs/faces.py")


def test_face_is_centred_on_its_background(faces: Any) -> None:
    pytest.importorskip("resvg_py")
    pixels = np.asarray(faces.render_face(SVG, "hsl(240, 100%, 50%)", 40))
    assert pixels.shape == (40, 40, 3)
    assert pixels[20, 20].tolist() == [255, 0, 0]
    for background in (pixels[0, 0], pixels[39, 39], pixels[5, 20]):
        assert background.tolist() == [0, 0, 255]


def test_files_are_numbered(faces: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resvg_py")
    monkeypatch.setattr(faces, "generate_faces", lambda count: ((SVG, "white") for _ in range(count)))
    result = CliRunner().invoke(faces.main, [str(tmp_path / "new"), "--count", "3"], catch_exceptions=False)
    assert result.exit_code == 0
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["00000.png", "00001.png", "00002.png"]


def test_existing_folder_and_missing_node_are_reported(
    faces: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="already exists"):
        faces.main.main([str(tmp_path)], standalone_mode=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ArtkitError, match=r"Node\.js.* is not installed"):
        faces.main.main([str(tmp_path / "new")], standalone_mode=False)
    assert not (tmp_path / "new").exists()
