"""What is released: an sdist and a wheel that an index accepts, and how to cite them."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from artkit import __version__

ROOT = Path(__file__).parents[1]


def run(*arguments: str) -> None:
    result = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_sdist_and_wheel_are_accepted_and_complete(tmp_path: Path) -> None:
    pytest.importorskip("build")
    pytest.importorskip("twine")
    run("build", "--no-isolation", "--outdir", str(tmp_path), ".")  # builds the wheel from the sdist
    (sdist,), (wheel,) = tmp_path.glob("*.tar.gz"), tmp_path.glob("*.whl")
    run("twine", "check", "--strict", str(sdist), str(wheel))
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"artkit/__init__.py", "artkit/shipped_recipes/photo.toml", "artkit_mypaint/py.typed"} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "artkit", "neural_artkit", *(folder.name for folder in (ROOT / "plugins").iterdir() if folder.is_dir()),
    }  # fmt: skip
    with tarfile.open(sdist) as archive:
        members = {name.partition("/")[2] for name in archive.getnames()}
    assert {"CITATION.cff", "CHANGELOG.md", "LICENSE", "tests/conftest.py", "docs/index.md"} <= members


def test_the_citation_names_this_version() -> None:
    yaml = pytest.importorskip("yaml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == "artkit"
    assert citation["version"] == __version__
    assert citation["references"][0]["url"] == "https://arxiv.org/abs/1904.08410"
    assert all(citation[key] for key in ("message", "authors", "license", "type"))


def test_the_changelog_has_a_version_and_a_date_for_each_section() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    for heading in headings:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - (Unreleased|\d{4}-\d\d-\d\d)", heading), heading
    versions = [tuple(map(int, re.findall(r"\d+", heading)[:3])) for heading in headings]
    assert versions == sorted(set(versions), reverse=True), "newest first"
