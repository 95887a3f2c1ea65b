"""The documentation site builds without warnings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("material")
pytest.importorskip("mkdocs_jupyter")
pytest.importorskip("mkdocstrings")

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_site_builds_without_warnings(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "WARNING -" not in result.stderr
    built = {file.relative_to(tmp_path / "site").as_posix() for file in (tmp_path / "site").rglob("*.html")}
    pages = {file.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for file in (ROOT / "docs").rglob("*.md")}
    assert {page.replace("README.html", "index.html") for page in pages} | {"notebook.html"} <= built
    assert not list((tmp_path / "site").rglob("*.py"))
    reference = (tmp_path / "site" / "api.html").read_text(encoding="utf-8")
    for heading in ("artkit.painter", "artkit.PainterModule.forward", "artkit.Renderer.forward", "artkit.Colour"):
        assert f'id="{heading}"' in reference
    assert "which sample of the brush" in reference
