"""A picture in place of the recipe's own, values of settings that are no TOML, and the times of recipes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from artkit.errors import UsageError
from artkit.recipes.picture import is_picture, with_picture
from artkit.recipes.reading import parse_setting, read_recipe
from artkit.recipes.run_times import have_measurements, record_run_seconds, run_times
from artkit.recipes.shipped import shipped_recipes

Write = Callable[..., Path]

TWO_TARGETS = """
[objective.look]
type = "content"
target = "a.png"
[objective.colour]
type = "pixel"
target = "./a.png"
[objective.other]
type = "pixel"
target = "b.png"
[constraint.colours]
type = "palette"
image = "a.png"
"""


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with images, which is the current one; the recipes are in another folder."""
    here = tmp_path / "here"
    here.mkdir()
    for name in ("a.png", "b.png", "here/mine.jpg"):
        Image.new("RGB", (40, 30), (10, 20, 30)).save(tmp_path / name)
    monkeypatch.chdir(here)
    return here


def test_a_picture_replaces_the_target_wherever_the_recipe_names_it(pictures: Path, recipe_file: Write) -> None:
    recipe = read_recipe([recipe_file(TWO_TARGETS)], picture=Path("mine.jpg"))
    files = {place: path.name for place, path in recipe.files().items()}
    assert files == {
        "objective.look.target": "mine.jpg",
        "objective.colour.target": "mine.jpg",
        "objective.other.target": "b.png",
        "constraint.colours.image": "mine.jpg",
    }
    assert recipe.name == "mine-r"
    assert recipe.files()["objective.look.target"] == pictures / "mine.jpg"


def test_a_recipe_may_leave_the_picture_open(pictures: Path, recipe_file: Write) -> None:
    file = recipe_file('[objective.look]\ntype = "content"\n')
    assert read_recipe([file], picture=Path("mine.jpg")).files()["objective.look.target"].name == "mine.jpg"
    with pytest.raises(UsageError, match=r"objective\.look\.target: is missing"):
        read_recipe([file])


def test_a_setting_wins_over_the_picture(pictures: Path, recipe_file: Write) -> None:
    recipe = read_recipe([recipe_file(TWO_TARGETS)], ["objective.look.target=../b.png"], Path("mine.jpg"))
    assert recipe.files()["objective.look.target"].name == "b.png"


@pytest.mark.parametrize("name", ["starfish", "agent/mnist", "train/gan"])
def test_recipes_without_a_target_refuse_a_picture(pictures: Path, name: str) -> None:
    with pytest.raises(UsageError, match="paints no picture") as caught:
        read_recipe([shipped_recipes()[name]], picture=Path("mine.jpg"))
    assert "photo" in caught.value.hint


@pytest.mark.parametrize("name", ["photo", "six", "gray", "chimera"])
def test_shipped_recipes_take_a_picture(pictures: Path, name: str) -> None:
    files = read_recipe([shipped_recipes()[name]], picture=Path("mine.jpg")).files()
    assert {file.name for file in files.values()} == {"mine.jpg"}


def test_pictures_are_told_from_recipes(pictures: Path, tmp_path: Path) -> None:
    (pictures / "photo-without-suffix").write_bytes((pictures / "mine.jpg").read_bytes())
    (pictures / "recipe.txt").write_text("steps = 1\n")
    names = {"mine.jpg", "missing.JPEG", "missing.tif", "photo-without-suffix"}
    assert all(is_picture(Path(name)) for name in names)
    assert not any(is_picture(Path(name)) for name in ("photo", "sizes/a3", "r.toml", "recipe.txt", "missing"))


@pytest.mark.parametrize(
    ("setting", "tree"),
    [
        ("objective.look.target=mine.jpg", {"objective": {"look": {"target": "mine.jpg"}}}),
        ("objective.see.class = safety pin", {"objective": {"see": {"class": "safety pin"}}}),
        ('objective.see.class="safety pin"', {"objective": {"see": {"class": "safety pin"}}}),
        ('target=C:\\mine "a".jpg', {"target": 'C:\\mine "a".jpg'}),
        ("target=größe=1.jpg", {"target": "größe=1.jpg"}),
        ("steps=300", {"steps": 300}),
        ("canvas={type='single'}", {"canvas": {"type": "single"}}),
    ],
)
def test_values_that_are_no_toml_are_text(setting: str, tree: object) -> None:
    assert parse_setting(setting) == tree


@pytest.mark.parametrize("setting", ["size=[1,2", "canvas={type=single}", "steps=", "steps", "a b=c", 'x="a', "=3"])
def test_settings_that_cannot_be_parsed_are_named(setting: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_setting(setting)
    assert f"--set {setting}" in caught.value.message
    assert caught.value.hint


def test_text_where_a_number_is_needed_is_an_error(pictures: Path, recipe_file: Write) -> None:
    with pytest.raises(UsageError, match=r'steps: .*\(it is "12O"\)'):
        read_recipe([recipe_file(TWO_TARGETS)], ["steps=12O"])


# ------------------------------------------------------------------------------------------------------------ run times
@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three recipes, two of which say what they take, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = {}
    for name, comment in (("quick", "# Takes 30 s on two cores."), ("long", "# Takes 2 h on two cores."), ("new", "")):
        files[name] = tmp_path / f"{name}.toml"
        files[name].write_text(f"# A recipe.\n{comment}\n")
    monkeypatch.setattr("artkit.recipes.run_times.shipped_recipes", lambda: files)


def test_times_are_estimated_from_measured_runs(recipes: None) -> None:
    assert not have_measurements()
    assert run_times() == {"quick": "~30 s", "long": "~2 h", "new": ""}
    record_run_seconds("quick", 60.4)
    assert have_measurements()
    assert run_times() == {"quick": "60 s", "long": "~4 h", "new": ""}
    record_run_seconds("new", 200)
    record_run_seconds("someone's own", 5)
    assert run_times() == {"quick": "60 s", "long": "~4 h", "new": "3 min"}


def test_times_of_another_version_of_a_recipe_are_forgotten(recipes: None, tmp_path: Path) -> None:
    record_run_seconds("quick", 60)
    (tmp_path / "quick.toml").write_text("# Takes 10 s on two cores.\n")
    assert run_times()["quick"] == "~10 s"
    record_run_seconds("quick", 20)
    assert len(json.loads(next(tmp_path.glob("cache/artkit/*.json")).read_text())) == 1


def test_a_damaged_cache_is_ignored(recipes: None, tmp_path: Path) -> None:
    record_run_seconds("quick", 60)
    (file,) = tmp_path.glob("cache/artkit/*.json")
    (key,) = json.loads(file.read_text())
    for text in ("{", "[]", json.dumps({key: "soon"}), json.dumps({key: -1})):
        file.write_text(text)
        assert run_times()["quick"] == "~30 s"
    record_run_seconds("quick", 45)
    assert run_times()["quick"] == "45 s"


def test_a_cache_that_cannot_be_written_is_no_error(recipes: None, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    record_run_seconds("quick", 60)
    assert run_times()["quick"] == "~30 s"


@pytest.mark.parametrize(
    "tree",
    [
        {"objective": {"look": {"type": ["pixel"], "target": "a.png"}}},
        {"objective": {"look": {"type": "pixel", "target": 3}}},
        {"objective": {"look": {"type": "pixel", "target": "~nobody-of-that-name/a.png"}}},
        {"objective": {"look": {"type": "pixel", "target": "a.png"}}, "background": "\0"},
        {"objective": {"look": {"type": "pixel", "target": "a.png"}}, "film": 3},
    ],
)
def test_a_recipe_that_is_not_valid_is_left_to_its_validation(tree: dict[str, Any], tmp_path: Path) -> None:
    assert "look" in with_picture(tree, tmp_path / "b.png")["objective"]
