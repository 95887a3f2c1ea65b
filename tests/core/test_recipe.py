"""Reading recipes: merging, settings, paths, validation errors and the provenance record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from artkit.errors import UsageError
from artkit.files import sha256
from artkit.recipes.provenance import provenance_record
from artkit.recipes.reading import merge, read_recipe
from artkit.recipes.recipe import Recipe
from artkit.recipes.shipped import shipped_recipes

Write = Callable[..., Path]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "images" / "a.png"
    file.parent.mkdir()
    Image.new("RGB", (40, 30), (10, 20, 30)).save(file)
    return file


@pytest.fixture
def photo(recipe_file: Write, image: Path) -> Path:
    """A complete recipe that contains a relative path."""
    return recipe_file('[objective.look]\ntype = "content"\ntarget = "images/a.png"\n')


def _errors(file: Path, *settings: str) -> str:
    """Return the error message of an invalid recipe."""
    with pytest.raises(UsageError) as raised:
        read_recipe([file], settings)
    assert raised.value.exit_code == 2
    return str(raised.value)


# ------------------------------------------------------------------------------------------------------------- size
@pytest.mark.parametrize(
    ("setting", "size"),
    [
        ("size=80", (80, 60)),  # the photo has 40 x 30 px
        ("size=[64, 48]", (64, 48)),
        ("size={area=4800}", (80, 60)),
        ("seed=0", (288, 216)),
    ],
)
def test_the_picture_has_the_shape_of_the_target(photo: Path, setting: str, size: tuple[int, int]) -> None:
    recipe = read_recipe([photo], [setting])
    assert recipe.size == size
    assert recipe.resolved()["size"] == list(size)


def test_the_shape_is_that_of_the_upright_photo(photo: Path, image: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(image.with_suffix(".jpg"), exif=exif)
    assert read_recipe([photo], ["size=80", f'objective.look.target="{image.with_suffix(".jpg")}"']).size == (60, 80)


def test_the_first_target_decides_and_without_one_the_picture_is_square(recipe_file: Write, image: Path) -> None:
    wide = image.with_name("wide.png")
    Image.new("RGB", (40, 2)).save(wide)
    see = '[objective.see]\ntype = "class-activation"\nclass = "bee"\n'
    target = '[objective.{}]\ntype = "pixel"\ntarget = "images/{}"\n'
    file = recipe_file("size = 80\n" + see + target.format("a", "a.png") + target.format("b", "wide.png"))
    assert read_recipe([file]).size == (80, 60)
    assert read_recipe([recipe_file("size = 80\n" + see)]).size == (80, 80)
    assert read_recipe([recipe_file("size = 80\n" + target.format("b", "wide.png"))]).size == (80, 8)  # no side is less


def test_a_target_that_is_no_image_is_an_error_with_its_place(photo: Path, image: Path) -> None:
    image.write_text("not an image")
    message = _errors(photo)
    assert "objective.look.target: " in message
    assert "cannot be read as an image" in message


# ---------------------------------------------------------------------------------------------------------- merging
def test_defaults_are_filled_in(photo: Path) -> None:
    recipe = read_recipe([photo])
    assert (recipe.name, recipe.settings.seed, recipe.settings.steps) == ("r", 0, 150)
    assert {kind: block.type for kind, block in recipe.blocks.items()} == {
        "canvas": "grid",
        "renderer": "mypaint",
        "agent": "free",
    }
    assert not recipe.trains_renderer


def test_later_recipes_and_settings_override(photo: Path, recipe_file: Write) -> None:
    later = recipe_file("steps = 7\nseed = 2\n[canvas]\nstrokes = 2\n[objective.look]\nweight = 3.0\n", "later.toml")
    recipe = read_recipe([photo, later], ["seed=3", "canvas.tile=48"])
    assert (recipe.settings.steps, recipe.settings.seed) == (7, 3)
    assert (recipe.blocks["canvas"].config.strokes, recipe.blocks["canvas"].config.tile) == (2, 48)
    look = recipe.named["objective"]["look"]
    assert (look.type, look.config.weight, look.config.target.name) == ("content", 3.0, "a.png")
    assert recipe.name == "later"


def test_table_without_type_is_merged_and_one_with_type_replaces(photo: Path, recipe_file: Write) -> None:
    first = recipe_file('[canvas]\ntype = "grid"\ntile = 16\noverlap = 8\n', "first.toml")
    merging = recipe_file("[canvas]\noverlap = 4\n", "merging.toml")
    replacing = recipe_file('[canvas]\ntype = "grid"\noverlap = 4\n', "replacing.toml")
    merged = read_recipe([photo, first, merging]).blocks["canvas"].config
    assert (merged.tile, merged.overlap) == (16, 4)
    replaced = read_recipe([photo, first, replacing]).blocks["canvas"].config
    assert (replaced.tile, replaced.overlap) == (64, 4)


def test_settings_merge_and_replace_as_recipes_do(photo: Path) -> None:
    recipe = read_recipe([photo], ["canvas.strokes=9", 'canvas.type="single"', "canvas.strokes=2"])
    assert (recipe.blocks["canvas"].type, recipe.blocks["canvas"].config.strokes) == ("single", 2)
    recipe = read_recipe([photo], ['constraint.grey.type="grayscale"'])
    assert list(recipe.named["constraint"]) == ["grey"]
    assert list(recipe.named["objective"]) == ["look"]


def test_named_components_keep_the_order_of_the_recipe(photo: Path, recipe_file: Write) -> None:
    two = recipe_file('[constraint.z]\ntype = "grayscale"\n[constraint.a]\ntype = "grayscale"\n', "two.toml")
    assert list(read_recipe([photo, two]).named["constraint"]) == ["z", "a"]


trees = st.recursive(
    st.integers(0, 9),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "type"]), inner, max_size=3),
    max_leaves=8,
)
tables = st.dictionaries(st.sampled_from(["a", "b", "c"]), trees, max_size=3)


@given(a=tables, b=tables, c=tables)
def test_merge_keeps_its_arguments_and_prefers_the_later(a: Any, b: Any, c: Any) -> None:
    before = (repr(a), repr(b))
    merged = merge(a, b)
    assert (repr(a), repr(b)) == before
    assert merge(a, {}) == a
    assert merge({}, b) == b
    assert merge(merged, b) == merged
    for key, value in b.items():
        if not isinstance(value, dict) or "type" in value:
            assert merged[key] == value
    assert merged.keys() == a.keys() | b.keys()


def test_later_recipe_decides_between_training_and_painting(photo: Path, recipe_file: Write) -> None:
    training = recipe_file('[trainer]\ntype = "gan"\n', "training.toml")
    painting = recipe_file('[renderer]\ntype = "mypaint"\n', "painting.toml")
    assert read_recipe([training]).trains_renderer
    assert "renderer" not in read_recipe([training]).blocks
    assert not read_recipe([training, photo, painting]).trains_renderer


def test_later_recipe_decides_between_data_and_trainer(photo: Path, recipe_file: Write, tmp_path: Path) -> None:
    training = recipe_file('[trainer]\ntype = "gan"\n', "training.toml")
    with_data = recipe_file('[data]\ntype = "folder"\npath = "."\n', "data.toml")
    recipe = read_recipe([training, photo, with_data])
    assert recipe.trains_agent
    assert not recipe.trains_renderer
    assert set(recipe.blocks) == {"data", "canvas", "renderer", "agent"}  # as in a painting
    assert recipe.blocks["data"].config.path == tmp_path.resolve()
    assert "optimizer" in recipe.resolved()
    assert recipe.portable()["data"]["path"] == tmp_path.name
    assert "data.path" not in recipe.files()  # a folder has no checksum
    assert not read_recipe([photo, with_data, training]).trains_agent
    assert not read_recipe([photo]).trains_agent
    both = recipe_file('[data]\ntype = "folder"\npath = "."\n[trainer]\ntype = "gan"\n', "both.toml")
    with pytest.raises(UsageError, match="data: a trainer has data of its own"):
        read_recipe([both])
    with pytest.raises(UsageError, match="objective: a painting needs one"):
        read_recipe([with_data])


# ------------------------------------------------------------------------------------------------------------ paths
def test_paths_are_relative_to_the_recipe_that_names_them(
    photo: Path, recipe_file: Write, image: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    # The path is in one recipe; a recipe in another folder is merged over it.
    later = recipe_file("steps = 3\n", "deep/down/later.toml")
    recipe = read_recipe([photo, later])
    assert recipe.named["objective"]["look"].config.target == image.resolve()
    up = recipe_file('[objective.look]\ntarget = "../../images/a.png"\n', "deep/down/up.toml")
    assert read_recipe([photo, up]).named["objective"]["look"].config.target == image.resolve()


def test_paths_in_settings_are_relative_to_the_current_folder(
    photo: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(image.parent)
    recipe = read_recipe([photo], ['objective.look.target="a.png"'])
    assert recipe.named["objective"]["look"].config.target == image.resolve()
    assert "there is no file" in _errors(photo, 'objective.look.target="images/a.png"')


def test_relative_recipe_finds_the_files_it_names(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photo.parent)
    assert read_recipe([Path("r.toml")]).named["objective"]["look"].config.target.is_file()


# ----------------------------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize("name", ["loss", "step", "seconds", "verdicts"])
def test_objective_cannot_be_named_like_a_key_of_the_log(photo: Path, name: str) -> None:
    assert f"objective.{name}: the log has a key {name} of its own" in _errors(photo, f'objective.{name}.type="pixel"')


def test_all_errors_are_reported_at_once(recipe_file: Write) -> None:
    message = _errors(
        recipe_file(
            """
            seed = -1
            stepz = 3
            size = [4, 300]
            [canvas]
            type = "grid"
            strokes = 0
            [renderer]
            type = "mypant"
            [objective.look]
            type = "content"
            weight = "heavy"
            targett = "a.png"
            [objective.other]
            weight = 1
            [constraint]
            type = "grayscale"
            [optimizer]
            lr = 0.0
            dekay = "none"
            """
        )
    )
    lines = {line.strip().split(": ")[0]: line for line in message.splitlines()[1:]}
    assert set(lines) == {
        "stepz",
        "seed",
        "size.0",
        "optimizer.lr",
        "optimizer.dekay",
        "canvas.strokes",
        "renderer.type",
        "objective.look.target",
        "objective.look.targett",
        "objective.look.weight",
        "objective.other.type",
        "constraint",
    }
    assert message.splitlines()[0].endswith("has 12 errors:")
    assert 'did you mean "steps"?' in lines["stepz"]
    assert 'did you mean "mypaint"?' in lines["renderer.type"].lower()
    assert "gan" in lines["renderer.type"]
    assert 'did you mean "target"?' in lines["objective.look.targett"]
    assert "is missing" in lines["objective.look.target"]
    assert 'did you mean "decay"?' in lines["optimizer.dekay"]
    assert '"heavy"' in lines["objective.look.weight"]
    assert "number" in lines["objective.look.weight"]
    assert "content" in lines["objective.other.type"]
    assert "more than 0" in lines["optimizer.lr"]
    assert "[constraint.NAME]" in lines["constraint"]


@pytest.mark.parametrize(
    ("setting", "place", "text"),
    [
        ("steps=0.5", "steps", "0.5"),
        ("steps=-3", "steps", "0"),
        ("steps=2.5", "steps", "2.5"),
        ("steps=true", "steps", "must be a whole number (it is true)"),
        ("size=[64,true]", "size", "true or false is not a whole number"),
        ("window=false", "window", "must be a whole number (it is false)"),
        ("optimizer.lr=true", "optimizer.lr", "must be a number (it is true)"),
        ("canvas.tile=true", "canvas.tile", "must be a whole number"),
        ("background=[true,0,1]", "background", "true or false is not a number"),
        ("objective.look.weight=[[0,true]]", "objective.look.weight", "true or false is not a number"),
        ("seed=9223372036854775808", "seed", "less than"),
        ("size=[64]", "size", "value 2 is missing"),
        ("size=4", "size", "8"),
        ('size="large"', "size", "whole number"),
        ("size={area=3}", "size.area", "64"),
        ("size=[64,48,3]", "size", "has 3 values, at most 2"),
        ("size=[200000,8]", "size.0", "131072"),
        ('device="gpu"', "device", "'cuda'"),
        ("canvas=3", "canvas", "[canvas]"),
        ("objective=3", "objective", "[objective.NAME]"),
        ("objective.look=3", "objective.look", "[objective.look]"),
        ("canvas.type=3", "canvas.type", "grid"),
        ('agent.start="targt"', "agent.start", '"target"'),
        ("optimizer=3", "optimizer", "3"),
        ("optimizer.lr=1e9", "optimizer.lr", "10"),
        ("optimizer.lr=nan", "optimizer.lr", "nan"),
        ("objective.look.weight=nan", "objective.look.weight", "finite"),
        ("objective.look.weight=inf", "objective.look.weight", "finite"),
        ("canvas.overlap=64", "canvas", "overlap 64 must be less than tile 64"),
        ('trainer.type="nothing"', "trainer.type", "gan"),
        ('objective.look.target="."', "objective.look.target", "folder"),
        ('objective.look.target="nowhere.png"', "objective.look.target", "nowhere.png"),
        ("objective.look.target=3", "objective.look.target", "3"),
        ("objective.look.layers=[]", "objective.look.layers", "at least 1 value"),
        ("background=[2.0,0.0,0.0]", "background", "1"),
        ('background="blue"', "background", '"target"'),
    ],
)
def test_error_names_its_place(photo: Path, setting: str, place: str, text: str) -> None:
    message = _errors(photo, setting)
    (line, *more) = [line.strip() for line in message.splitlines()[1:]]
    assert not more, "one error, one line"
    assert line.startswith(f"{place}: ")
    assert text in line


def test_painting_needs_an_objective(recipe_file: Write) -> None:
    assert "objective: a painting needs one" in _errors(recipe_file("steps = 3\n"))


def test_invalid_toml_names_the_file_and_the_line(recipe_file: Write) -> None:
    file = recipe_file('seed = 1\nsteps = 3\nsize = [1, 2\n[canvas]\ntype = "grid"\n')
    message = _errors(file)
    assert str(file) in message
    assert "line 4" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + 2000 * "[" + 2000 * "]", "nested too deeply"),
        ("seed = " + 5000 * "9", "is not valid TOML"),
        (f'[objective.look]\ntype = "pixel"\ntarget = "{300 * "a"}"', "there is no file"),
        ('[objective.look]\ntype = "pixel"\ntarget = "~nobody-of-that-name/a.png"', "there is no file"),
    ],
    ids=["nested", "huge number", "long name", "home of nobody"],
)
def test_what_campaigns_found_is_an_error(recipe_file: Write, text: str, message: str) -> None:
    assert message in _errors(recipe_file(text))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_recipes_of_windows_editors_are_read(recipe_file: Write, photo: Path, encoding: str) -> None:
    file = recipe_file("", "notepad.toml")
    file.write_bytes("# größer\r\nsteps = 7\r\n[canvas]\r\nstrokes = 2\r\n".encode(encoding))
    recipe = read_recipe([photo, file])
    assert recipe.settings.steps == 7
    assert recipe.blocks["canvas"].config.strokes == 2


@pytest.mark.parametrize("setting", ["steps", "steps=", "=3", "a.b.=3"])
def test_setting_that_cannot_be_parsed_shows_how_to_write_it(photo: Path, setting: str) -> None:
    message = _errors(photo, setting)
    assert f"--set {setting}" in message
    assert "--set KEY=VALUE" in message or "--set 'size=[320, 240]'" in message


def test_recipe_that_does_not_exist(tmp_path: Path) -> None:
    assert f"there is no recipe {tmp_path / 'no.toml'}" in _errors(tmp_path / "no.toml")
    assert "is a folder" in _errors(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    assert "binary.toml" in _errors(tmp_path / "binary.toml")
    with pytest.raises(UsageError, match="no recipe was named"):
        read_recipe([])


# ----------------------------------------------------------------------------------------------------------- record
def test_resolved_recipe_reads_back_unchanged(photo: Path, tmp_path: Path) -> None:
    recipe = read_recipe(
        [photo], ["steps=4", 'constraint.ink.type="grayscale"', "canvas.bleed=3", 'background="target"']
    )
    tree = recipe.resolved()
    assert tree["canvas"]["overlap"] == 32, "defaults are written out"
    written = tmp_path / "other" / "recipe.toml"
    written.parent.mkdir()
    written.write_text(tomli_w.dumps({**tree, "record": provenance_record(recipe, {})}), encoding="utf-8")
    again = read_recipe([written])
    assert again.resolved() == tree
    assert again.blocks == recipe.blocks
    assert again.named == recipe.named
    assert again.settings == recipe.settings


def test_training_recipe_reads_back_unchanged(recipe_file: Write, tmp_path: Path) -> None:
    recipe = read_recipe([recipe_file('steps = 5\n[trainer]\ntype = "gan"\nstrokes = 2000\n')])
    written = tmp_path / "recipe.toml"
    written.write_text(tomli_w.dumps({**recipe.resolved(), "record": provenance_record(recipe, {})}))
    assert read_recipe([written]).resolved() == recipe.resolved()


def test_record_has_versions_and_checksums(photo: Path, image: Path) -> None:
    record = provenance_record(read_recipe([photo]), {"renderer.weights": "abc"})
    assert record["sha256"] == {"objective.look.target": sha256(image), "renderer.weights": "abc"}
    assert {"neural-artkit", "torch", "numpy", "pillow"} <= record["versions"].keys()


def test_changed_input_file_is_refused(photo: Path, image: Path, tmp_path: Path) -> None:
    recipe = read_recipe([photo])
    written = tmp_path / "recipe.toml"
    written.write_text(tomli_w.dumps({**recipe.resolved(), "record": provenance_record(recipe, {})}))
    assert isinstance(read_recipe([written]), Recipe)
    Image.new("RGB", (40, 30), (0, 0, 0)).save(image)
    message = _errors(written)
    assert "objective.look.target: " in message
    assert str(image) in message
    assert "sha256" in message


@pytest.mark.parametrize("setting", ["record.sha256=3", 'record.sha256={"objective.look.target"=3}'])
def test_invalid_record_is_an_error(photo: Path, setting: str) -> None:
    message = _errors(photo, setting)
    assert "record" in message or "sha256" in message


def test_name_with_a_dot_is_refused_or_works(photo: Path, image: Path) -> None:
    setting = f'objective."a.b" = {{type = "content", target = {str(image)!r}}}'
    try:
        recipe = read_recipe([photo], [setting])
    except UsageError as error:
        refused = str(error)
    else:
        refused = ""
        assert provenance_record(recipe, {})["sha256"].keys() == recipe.files().keys()
        assert recipe.portable()["objective"]["a.b"]["target"] == "a.png"
    assert not refused or "a.b" in refused


def test_portable_recipe_contains_no_folders(photo: Path, tmp_path: Path) -> None:
    recipe = read_recipe([photo])
    portable = recipe.portable()
    assert portable["objective"]["look"]["target"] == "a.png"
    assert str(tmp_path) not in tomli_w.dumps(portable)
    portable["objective"]["look"]["target"] = recipe.resolved()["objective"]["look"]["target"]
    assert portable == recipe.resolved()


# ---------------------------------------------------------------------------------------------------------- shipped
@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_shipped_recipe_is_valid_and_has_a_description(name: str) -> None:
    file = shipped_recipes()[name]
    read_recipe([file])
    assert any(line.startswith("# ") for line in file.read_text(encoding="utf-8").splitlines()[:3])
