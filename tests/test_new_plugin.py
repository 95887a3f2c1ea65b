"""`artkit new-plugin`: a package that is complete as it is written."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from artkit.cli.main import cli
from artkit.registry.plugin_registry import KIND_HOOKS

TINY = ("--set", "steps=2", "--set", "size=[48,32]")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(name: str, kind: str) -> list[str]:
    done = CliRunner().invoke(cli, ["new-plugin", name, "--kind", kind], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout.split()


def test_plugins_of_all_kinds_are_found_tested_and_used(
    here: Path, with_packages: Callable[..., dict[str, str]], commands: Callable[..., list[str]]
) -> None:
    folders = []
    for kind in KIND_HOOKS:
        name = f"my-{kind}"
        files = new(name, kind)
        assert all(Path(file).is_file() for file in files)
        folders.append(here / name)
    env = with_packages(*folders)

    recipes = [f"my-{kind}/my-{kind}.toml" for kind in KIND_HOOKS if kind not in ("data", "exporter", "trainer")]
    learnt = ["my-data/my-data.toml", *TINY, "--set", "data.batch=2", "--set", "data.count=4"]
    calls = [
        ["plugins", "--json"],
        ["schema"],
        ["run", *recipes, *TINY, "--out", "run"],
        ["run", "my-trainer/my-trainer.toml", *TINY[:2], "--out", "trainer"],
        ["run", *learnt, "--out", "learnt"],
        ["export", "run", "painting.my-exporter", "--scale", "2"],
    ]
    listed, schema, *_ = commands(calls, here, env)
    told = json.loads(listed)
    assert told["set_aside"] == []
    mine = {(part["kind"], part["name"]): part for part in told["parts"] if part["package"].startswith("artkit-my-")}
    assert set(mine) == {(kind, f"my-{kind}") for kind in KIND_HOOKS}
    assert all(part["summary"] for part in mine.values())
    definitions = json.loads(schema)["$defs"]
    assert definitions["renderer.my-renderer"]["properties"]["softness"]["description"]
    assert (here / "run/painting.png").stat().st_size
    assert (here / "trainer/my-trainer.safetensors").stat().st_size
    assert (here / "learnt/agent.safetensors").stat().st_size
    assert (here / "painting.my-exporter").read_bytes().startswith(b"P6 96 64 255\n")

    tests = [str(folder / "tests") for folder in folders]
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(here)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=here,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KIND_HOOKS)
def test_nothing_of_the_template_is_left(here: Path, kind: str) -> None:
    for file in new("artkit-dry-leaves", kind):
        text = Path(file).read_text(encoding="utf-8")
        for word in ("newp", "NewP", "newk", "FOLDER", "NEXT", "SINCE", "BELOW"):
            assert word not in text, (file, word)
        assert max(map(len, text.splitlines())) <= 120
        if file.endswith(".py"):
            assert ast.get_docstring(ast.parse(text)), file
        if file.endswith(".toml"):
            tomllib.loads(text)
    project = tomllib.loads(Path("artkit-dry-leaves/pyproject.toml").read_text())["project"]
    assert project["name"] == "artkit-dry-leaves"
    assert project["entry-points"] == {"artkit": {"dry-leaves": "artkit_dry_leaves"}}


def test_it_asks_for_an_artkit_that_it_fits() -> None:
    from packaging.specifiers import SpecifierSet

    from artkit import __version__
    from artkit.registry.scaffold import max_version, min_version

    fits = SpecifierSet(f">={min_version()},<{max_version()}", prereleases=True)
    assert __version__ in fits
    assert max_version() not in fits


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("Dots", "renderer", "cannot be the name"),
        ("2dots", "renderer", "cannot be the name"),
        ("a_b", "renderer", "cannot be the name"),
        ("class", "renderer", "cannot be the name"),
        ("grid", "canvas", "already, of neural-artkit"),
        ("there", "canvas", "already here"),
        ("dots", "brush", "is not one of"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(here: Path, name: str, kind: str, told: str) -> None:
    (here / "there").mkdir()
    done = CliRunner().invoke(cli, ["new-plugin", name, "--kind", kind], catch_exceptions=False)
    assert done.exit_code == 2
    assert told in done.stderr
    assert [path.name for path in here.rglob("*")] == ["there"]
