"""The recipes that ship with artkit are valid, have a description, and run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from artkit.cli.main import cli
from artkit.recipes.reading import read_recipe
from artkit.recipes.shipped import recipe_folder, shipped_recipes

SHIPPED = shipped_recipes()
TINY = ("steps=1", "first.steps=1", "size=[64, 48]", "output.scale=1")


def paints(name: str) -> bool:
    recipe = read_recipe([SHIPPED[name]])
    return not (recipe.trains_renderer or recipe.trains_agent)


def description(file: Path) -> str:
    """Return the first comment of a recipe, which `artkit recipes` shows."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#:")]
    return lines[0].removeprefix("# ") if lines and lines[0].startswith("# ") else ""


def test_there_are_recipes_of_every_task() -> None:
    assert "photo" in SHIPPED
    recipes = [read_recipe([file]) for file in SHIPPED.values()]
    assert {(recipe.trains_renderer, recipe.trains_agent) for recipe in recipes} == {
        (False, False),
        (True, False),
        (False, True),
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_is_valid_and_has_a_description(name: str) -> None:
    recipe = read_recipe([SHIPPED[name]])
    assert recipe.name == Path(name).name
    assert re.fullmatch(r"[A-Z].{10,110}\.", description(SHIPPED[name]))


def test_list_shows_descriptions() -> None:
    result = CliRunner().invoke(cli, ["recipes"], catch_exceptions=False)
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert set(lines) == set(SHIPPED)
    for name, line in lines.items():
        assert description(SHIPPED[name]) in line


@pytest.mark.parametrize("name", SHIPPED)
def test_names_only_files_that_ship_with_it(name: str) -> None:
    for file in read_recipe([SHIPPED[name]]).files().values():
        assert file.is_relative_to(recipe_folder().resolve())


def test_every_target_has_its_source_in_the_readme() -> None:
    targets = recipe_folder() / "targets"
    readme = (targets / "README.md").read_text(encoding="utf-8")
    for file in targets.iterdir():
        assert file.name == "README.md" or f"`{file.name}`" in readme


@pytest.mark.parametrize("name", SHIPPED)
def test_copy_is_the_same_recipe(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["recipes", "--copy", name], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    copied = read_recipe([Path(result.output.splitlines()[0])])
    assert copied.portable() == read_recipe([SHIPPED[name]]).portable()
    for file in copied.files().values():
        assert file.is_relative_to(tmp_path.resolve())


@pytest.mark.parametrize("name", [name for name in SHIPPED if paints(name)])
def test_leaves_a_large_picture(name: str) -> None:
    recipe = read_recipe([SHIPPED[name]])
    if recipe.settings.film:
        pytest.skip("a film")
    assert max(recipe.size) * recipe.settings.output.scale_for(recipe.size) >= 1400


@pytest.mark.parametrize("name", [name for name in SHIPPED if paints(name)])
def test_paints(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    own = ["film.seconds=0.05"] if name == "film" else []
    if name == "words":
        request.getfixturevalue("tiny")
        own = ["objective.words.model=tiny", "objective.words.pretrained=toy"]
    settings = [word for setting in [*TINY, *own] for word in ("--set", setting)]
    result = CliRunner().invoke(cli, ["run", name, *settings, "--out", "run"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    picture = Image.open("run/painting.png")
    assert picture.size == (64, 48)
    assert len(picture.getcolors(64 * 48) or ()) > 16
    line = Path("run/log.jsonl").read_text().splitlines()[-1]
    recipe = read_recipe([SHIPPED[name]], [*TINY, *own])
    assert {"step", "loss", "seconds", *recipe.named["objective"]} <= set(json.loads(line))
    assert read_recipe([Path("run/recipe.toml")]).resolved() == recipe.resolved()


def test_words_without_their_model_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("open_clip")
    from huggingface_hub import constants

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    result = CliRunner().invoke(cli, ["run", "words", "--out", "run"])
    assert result.exit_code == 1
    assert "artkit download open_clip/ViT-B-32/laion2b_s34b_b79k" in result.output
    assert not Path("run").exists()
