"""The sample plugins in docs/plugins: they can be installed, run, and pass their own tests."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

SAMPLES = sorted(file.parent for file in (Path(__file__).parents[1] / "docs" / "plugins").glob("*/pyproject.toml"))
TINY = ("--set", "steps=2", "--set", "size=[48,32]", "--set", "output.scale=1")


def test_samples_are_a_renderer_and_an_objective() -> None:
    assert {sample.name for sample in SAMPLES} == {"splatter", "histogram"}


@pytest.mark.slow
def test_samples_run_together(
    tmp_path: Path, with_packages: Callable[..., dict[str, str]], commands: Callable[..., list[str]]
) -> None:
    recipes = [str(sample / f"{sample.name}.toml") for sample in SAMPLES]
    listing, painted, *_ = commands(
        [
            ["plugins", "--json"],
            ["run", "photo", *recipes, *TINY, "--out", "run"],
            ["export", "run", "large.png", "--scale", "2"],
        ],
        tmp_path,
        with_packages(*SAMPLES),
    )
    plugins = json.loads(listing)
    assert plugins["set_aside"] == []
    assert {"splatter", "histogram"} <= {component["name"] for component in plugins["parts"]}
    assert "painting.png" in painted
    (_, last) = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert last["colours"] > 0
    strokes = json.loads((tmp_path / "run/strokes.json").read_text())
    assert strokes["space"] == "splatter-1"
    versions = tomllib.loads((tmp_path / "run/recipe.toml").read_text())["record"]["versions"]
    assert versions["artkit-splatter"] == versions["artkit-histogram"] == "0.1.0"


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_tests_of_the_sample_pass(sample: Path, tmp_path: Path, with_packages: Callable[..., dict[str, str]]) -> None:
    copy = shutil.copytree(sample, tmp_path / sample.name)
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(copy)],
        cwd=copy,
        env=with_packages(copy),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_sample_has_the_files_of_a_new_plugin(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from artkit.cli.main import cli

    monkeypatch.chdir(tmp_path)
    kind = {"splatter": "renderer", "histogram": "objective"}[sample.name]
    CliRunner().invoke(cli, ["new-plugin", sample.name, "--kind", kind], catch_exceptions=False)
    for written in (tmp_path / sample.name).rglob("*"):
        assert (sample / written.relative_to(tmp_path / sample.name)).exists()
    projects = [tomllib.loads((f / "pyproject.toml").read_text()) for f in (sample, tmp_path / sample.name)]
    for project in projects:
        project["project"]["description"] = ""
    assert projects[0] == projects[1]
