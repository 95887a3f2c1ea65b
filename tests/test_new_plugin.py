"""`artkit new-plugin`: the written package is complete and works."""

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


def new_plugin(name: str, kind: str) -> list[str]:
    """Run the command. Return the files that it wrote."""
    result = CliRunner().invoke(cli, ["new-plugin", name, "--kind", kind], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.split()


@pytest.mark.slow
def test_plugins_of_all_kinds_are_found_run_and_pass_their_tests(
    here: Path, with_packages: Callable[..., dict[str, str]], commands: Callable[..., list[str]]
) -> None:
    folders = []
    for kind in KIND_HOOKS:
        name = f"my-{kind}"
        files = new_plugin(name, kind)
        assert all(Path(file).is_file() for file in files)
        folders.append(here / name)
    env = with_packages(*folders)

    others = ("data", "executor", "exporter", "trainer")
    recipes = [f"my-{kind}/my-{kind}.toml" for kind in KIND_HOOKS if kind not in others]
    training = ["my-data/my-data.toml", *TINY, "--set", "data.batch=2", "--set", "data.count=4"]
    calls = [
        ["plugins", "--json"],
        ["schema"],
        ["run", *recipes, *TINY, "--out", "run"],
        ["run", "my-trainer/my-trainer.toml", *TINY[:2], "--out", "trainer"],
        ["run", *training, "--out", "training"],
        ["export", "run", "painting.my-exporter", "--scale", "2"],
    ]
    listing, schema, *_ = commands(calls, here, env)
    plugins = json.loads(listing)
    assert plugins["set_aside"] == []
    new = {(c["kind"], c["name"]): c for c in plugins["parts"] if c["package"].startswith("artkit-my-")}
    assert set(new) == {(kind, f"my-{kind}") for kind in KIND_HOOKS}
    assert all(component["summary"] for component in new.values())
    definitions = json.loads(schema)["$defs"]
    assert definitions["renderer.my-renderer"]["properties"]["softness"]["description"]
    assert (here / "run/painting.png").stat().st_size
    assert (here / "trainer/my-trainer.safetensors").stat().st_size
    assert (here / "training/agent.safetensors").stat().st_size
    assert (here / "painting.my-exporter").read_bytes().startswith(b"P6 96 64 255\n")

    tests = [str(folder / "tests") for folder in folders]
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(here)]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=here,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("kind", KIND_HOOKS)
def test_no_placeholder_is_left(here: Path, kind: str) -> None:
    for file in new_plugin("artkit-dry-leaves", kind):
        text = Path(file).read_text(encoding="utf-8")
        for placeholder in ("newp", "newc", "NewC", "newk", "FOLDER", "NEXT", "_VERSION"):
            assert placeholder not in text, (file, placeholder)
        assert max(map(len, text.splitlines())) <= 120
        if file.endswith(".py"):
            assert ast.get_docstring(ast.parse(text)), file
        if file.endswith(".toml"):
            tomllib.loads(text)
    project = tomllib.loads(Path("artkit-dry-leaves/pyproject.toml").read_text())["project"]
    assert project["name"] == "artkit-dry-leaves"
    assert project["entry-points"] == {"artkit": {"dry-leaves": "artkit_dry_leaves"}}


def test_required_version_includes_this_one() -> None:
    from packaging.specifiers import SpecifierSet

    from artkit import __version__
    from artkit.registry.scaffold import max_version, min_version

    supported = SpecifierSet(f">={min_version()},<{max_version()}", prereleases=True)
    assert __version__ in supported
    assert max_version() not in supported


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("Dots", "renderer", "cannot be the name"),
        ("2dots", "renderer", "cannot be the name"),
        ("a_b", "renderer", "cannot be the name"),
        ("class", "renderer", "cannot be the name"),
        ("grid", "canvas", 'already a canvas "grid", provided by neural-artkit'),
        ("existing", "canvas", "already here"),
        ("dots", "brush", "is not one of"),
    ],
)
def test_invalid_names_are_refused_and_nothing_is_written(here: Path, name: str, kind: str, message: str) -> None:
    (here / "existing").mkdir()
    result = CliRunner().invoke(cli, ["new-plugin", name, "--kind", kind], catch_exceptions=False)
    assert result.exit_code == 2
    assert message in result.stderr
    assert [path.name for path in here.rglob("*")] == ["existing"]
