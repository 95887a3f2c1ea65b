"""The commands that list and describe: `plugins`, `recipes`, `schema` and `doctor`, and commands of plugins."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from artkit import __version__
from artkit.cli.main import cli
from artkit.recipes.shipped import shipped_recipes

Call = Callable[..., Result]

TINY = ["--set", "steps=1", "--set", "size=[64,48]", "--set", "output.scale=1"]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command in this process, in an empty folder. Exceptions that artkit does not catch are raised."""
    here = tmp_path / "here"
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)
    return lambda *arguments: CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)


def _assert_one_error(result: Result, code: int, text: str) -> None:
    """Check that a command failed with one error message that contains a text."""
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    messages = [line for line in result.stderr.splitlines() if line.startswith(("artkit: ", "Error: "))]
    assert len(messages) == 1
    assert text in result.stderr


# ---------------------------------------------------------------------------------------------------------- plugins
def test_plugins_as_json(own_plugins: Any, call: Call) -> None:
    listing = json.loads(call("plugins", "--json").stdout)
    assert listing["set_aside"] == []
    components = {(c["kind"], c["name"]): c for c in listing["parts"]}
    for key in [("canvas", "grid"), ("renderer", "mypaint"), ("objective", "content"), ("exporter", "png")]:
        assert components[key]["package"] == "neural-artkit"
    assert all(c["summary"] for c in listing["parts"]), "every component has a summary"


def test_plugins_as_text(install: Callable[..., str], call: Call) -> None:
    install("import nothing_of_that_name\n", package="broken-toys")
    result = call("plugins")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert any(line.split()[:2] == ["grid", "neural-artkit"] for line in lines)
    (disabled,) = [line for line in lines if line.startswith("disabled: ")]
    assert "broken-toys" in disabled
    assert "nothing_of_that_name" in disabled
    (entry,) = json.loads(call("plugins", "--json").stdout)["set_aside"]
    assert entry["package"] == "broken-toys"


COMMANDS = """
import click
from artkit import hookimpl

@click.command()
def greet():
    "Says hello."
    click.echo("hello")

@click.command("doctor")
def other_doctor():
    "Not the doctor."
    click.echo("not the doctor")

@hookimpl
def artkit_commands(cli):
    cli.add_command(greet)
    cli.add_command(other_doctor)
"""


def test_plugins_add_commands_but_replace_none(install: Callable[..., str], call: Call) -> None:
    install(COMMANDS)
    assert "greet" in call("--help").stdout
    assert call("greet").stdout == "hello\n"
    assert "not the doctor" not in call("doctor").stdout


def test_plugin_whose_commands_fail_is_disabled(install: Callable[..., str], call: Call) -> None:
    install("from artkit import hookimpl\n@hookimpl\ndef artkit_commands(cli):\n    raise LookupError('lost')\n")
    assert call("--help").exit_code == 0
    assert "LookupError: lost" in call("plugins").stdout


# ---------------------------------------------------------------------------------------------------------- recipes
def test_recipes_are_listed_with_descriptions(call: Call) -> None:
    result = call("recipes")
    assert result.exit_code == 0
    descriptions = {line.split()[0]: line.split(maxsplit=1)[1:] for line in result.stdout.splitlines()}
    assert descriptions.keys() == shipped_recipes().keys()
    assert "photo" in descriptions
    assert all(description and description[0].strip() for description in descriptions.values())


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_recipe_is_copied_with_the_files_it_names(call: Call, name: str) -> None:
    from artkit.recipes.reading import read_recipe

    result = call("recipes", "--copy", name)
    assert result.exit_code == 0, result.stderr
    for line in result.stdout.splitlines():
        assert Path(line).is_file()
    file = Path(result.stdout.splitlines()[0])
    assert file.read_bytes() == shipped_recipes()[name].read_bytes()
    here = Path.cwd()
    for path in read_recipe([file]).files().values():
        assert here in path.parents, "the copy does not refer to artkit's folder"


def test_copied_recipe_runs(call: Call) -> None:
    assert call("recipes", "--copy", "photo").exit_code == 0
    result = call("run", "photo.toml", "--out", "out", *TINY)
    assert result.exit_code == 0, result.stderr
    with Image.open("out/painting.png") as image:
        assert np.asarray(image).shape == (48, 64, 3)
    recipe = tomllib.loads(Path("out/recipe.toml").read_text())
    assert Path(recipe["objective"]["look"]["target"]).parent == Path("targets").resolve()
    assert len(recipe["record"]["sha256"]["objective.look.target"]) == 64


def test_copy_replaces_no_recipe(call: Call) -> None:
    Path("photo.toml").write_text("earlier")
    _assert_one_error(call("recipes", "--copy", "photo"), 2, "photo.toml is already here")
    assert Path("photo.toml").read_text() == "earlier"
    assert [path.name for path in Path().iterdir()] == ["photo.toml"]


def test_copy_replaces_no_image(call: Call) -> None:
    call("recipes", "--copy", "photo")
    (image,) = [path for path in Path("targets").iterdir() if path.suffix == ".jpg"]
    Path("photo.toml").unlink()
    result = call("recipes", "--copy", "photo")
    assert result.exit_code == 0, "an identical image is kept"
    Path("photo.toml").unlink()
    image.write_bytes(b"earlier")
    _assert_one_error(call("recipes", "--copy", "photo"), 2, image.name)
    assert image.read_bytes() == b"earlier"
    assert not Path("photo.toml").exists()


def test_copy_to_a_path_below_a_file(call: Call) -> None:
    Path("targets").write_text("a file")
    result = call("recipes", "--copy", "photo")
    assert result.exit_code in (1, 2)
    _assert_one_error(result, result.exit_code, "targets")


# ---------------------------------------------------------------------------------------------------------- doctor
def test_doctor_shows_what_is_installed(call: Call) -> None:
    result = call("doctor")
    assert result.exit_code == 0
    names = ("GPU", "libmypaint", "brushes", "efficientnet_lite0", "pillow-heif", "text weights")
    for text in (__version__, torch.__version__, *names):
        assert text in result.stdout
    assert "disabled" not in result.stdout


def test_doctor_names_every_extra_that_is_missing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("artkit.extras.importlib.util.find_spec", "artkit_vision.find_spec"):
        monkeypatch.setattr(name, lambda *_: None)
    extras = metadata.metadata("neural-artkit").get_all("Provides-Extra") or []
    lines = call("doctor").stdout
    for extra in set(extras) - {"dev", "docs", "fuzz", "test"}:
        assert f"neural-artkit[{extra}]" in lines, extra


def test_doctor_shows_what_is_missing_and_how_to_install_it(install: Callable[..., str], call: Call) -> None:
    install(
        "from artkit import hookimpl\n@hookimpl\ndef artkit_doctor():\n"
        "    return [('the moon', '', 'wait for the night'), ('the sun', 'risen', '')]\n"
    )
    install("import nothing_of_that_name\n", package="broken-toys")
    install("from artkit import hookimpl\n@hookimpl\ndef artkit_doctor():\n    return [None]\n", package="other-toys")
    lines = call("doctor").stdout.splitlines()
    index = next(index for index, line in enumerate(lines) if line.startswith("the moon"))
    assert "missing" in lines[index]
    assert lines[index + 1].strip() == "wait for the night"
    assert any(line.startswith("the sun") and "risen" in line for line in lines)
    assert any("disabled: " in line and "nothing_of_that_name" in line for line in lines)
    assert any("disabled: artkit_doctor returned" in line for line in lines)


# ---------------------------------------------------------------------------------------------------------- schema
def test_schema_has_every_component(own_plugins: Any, call: Call) -> None:
    from artkit.registry.plugin_registry import get_registry

    result = call("schema")
    assert result.exit_code == 0, result.stderr
    schema = json.loads(result.stdout)
    text = json.dumps(schema)
    for kind in ("canvas", "renderer", "agent", "objective", "constraint", "trainer"):
        assert kind in schema["properties"]
        for name in get_registry().components(kind):
            assert f'"{name}"' in text
    assert {"seed", "steps", "size", "optimizer"} <= schema["properties"].keys()
    assert schema["properties"]["seed"]["description"]
