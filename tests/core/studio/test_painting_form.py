"""Recipes, uploads and brushes of the studio."""

from __future__ import annotations

import io
import shutil
import struct
import tomllib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from artkit.studio.recipes import SAMPLES


@pytest.fixture(scope="module")
def form(tmp_path_factory: pytest.TempPathFactory, painted: Path, serve: Callable[[Path], Any]) -> Any:
    """A studio in which tests may save and upload."""
    folder = tmp_path_factory.mktemp("form") / "runs"
    shutil.copytree(painted, folder)
    return serve(folder)


def png(size: tuple[int, int] = (60, 40), mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(stream, "PNG")
    return stream.getvalue()


def upload(form: Any, name: str, content: bytes) -> Any:
    return form.request("POST", f"/api/uploads?name={name}", body=content)


def test_an_uploaded_photo_replaces_that_of_a_recipe(form: Any) -> None:
    uploaded = upload(form, "My%20photo.png", png()).json
    assert (uploaded["width"], uploaded["height"]) == (60, 40)
    loaded = form.post("/api/recipes/load", {"name": "photo", "picture": uploaded["path"]})
    assert loaded["errors"] == []
    assert loaded["tree"]["objective"]["look"]["target"] == uploaded["path"] == "../uploads/My-photo.png"
    shown = form.request("GET", f"/api/picture?path={uploaded['path']}&side=30")
    assert Image.open(io.BytesIO(shown.content)).size == (30, 20)


def test_a_png_with_a_text_that_grows_when_it_is_read_is_no_fault(form: Any) -> None:
    plain, text = png(), b"zTXt" + b"k\0\0" + zlib.compress(bytes(4 << 20))
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    answer = upload(form, "text.png", plain[:33] + chunk + plain[33:])  # 33: after the header
    assert answer.status in (200, 400), "libvips may read it"
    assert answer.json


def test_numbers_that_json_does_not_have(form: Any) -> None:
    parsed = form.post("/api/recipes/parse", {"toml": "[optimizer]\nlr = nan\n[film]\nfps = -inf\n"})
    assert (parsed["tree"]["optimizer"]["lr"], parsed["tree"]["film"]["fps"]) == ("nan", "-inf")
    assert {"optimizer.lr", "film.fps"} <= {error["place"] for error in parsed["errors"]}


def test_recipes_to_choose_from(form: Any) -> None:
    recipes = {recipe["name"]: recipe for recipe in form.get("/api/recipes")["recipes"]}
    assert {name: recipes[name]["paints"] for name in ("photo", "film", "train/gan")} == {
        "photo": "picture", "film": "clip", "train/gan": ""
    }  # fmt: skip
    assert recipes["photo"]["description"].startswith("A photo")
    for name in ("photo", "train/gan", "starfish"):
        loaded = form.post("/api/recipes/load", {"name": name})
        assert loaded["errors"] == [], name
        assert tomllib.loads(loaded["toml"]) == loaded["tree"]


def test_recipes_have_pictures(form: Any) -> None:
    recipes = {recipe["name"]: recipe for recipe in form.get("/api/recipes")["recipes"]}
    samples = {name: recipe["sample"] for name, recipe in recipes.items() if recipe["sample"]}
    assert set(samples.values()) == {file.name for file in SAMPLES.iterdir()}
    missing = {name for name in recipes if name.startswith(("style/", "photo", "film"))} - samples.keys()
    assert not missing, "python docs/studio_pictures.py --samples"
    image = form.request("GET", f"/static/recipes/{samples['style/ink']}", token="")
    assert image.headers["content-type"] == "image/jpeg"


def test_a_saved_recipe_is_a_file_that_the_command_line_reads(form: Any) -> None:
    from artkit.recipes.reading import read_recipe

    toml = "# Mine.\nsteps = 7\n[objective.look]\ntype = 'pixel'\ntarget = '../uploads/target.png'\n"
    assert form.post("/api/recipes/save", {"name": "mine", "toml": toml}) == {"name": "mine"}
    assert form.request("POST", "/api/recipes/save", {"name": "mine", "toml": toml}).status == 400
    assert (form.folder / "recipes" / "mine.toml").read_text() == toml
    assert read_recipe([form.folder / "recipes" / "mine.toml"]).settings.steps == 7
    assert form.post("/api/recipes/load", {"name": "mine", "saved": True})["tree"]["steps"] == 7


def test_the_form_and_toml_are_two_views_of_one_recipe(form: Any) -> None:
    tree = {"steps": 3, "size": None, "objective": {"look": {"type": "pixel", "target": "../uploads/target.png"}}}
    answer = form.post("/api/recipes/format", {"tree": tree})
    assert answer["errors"] == []
    parsed = form.post("/api/recipes/parse", {"toml": answer["toml"]})
    assert parsed["tree"] == {key: value for key, value in tree.items() if value is not None}
    wrong = form.post("/api/recipes/format", {"tree": {**tree, "canvas": {"type": "grid", "tile": -1}}})
    assert [error["place"] for error in wrong["errors"]] == ["canvas.tile"]


def test_the_schema_has_the_settings_of_plugins_with_their_documentation(form: Any) -> None:
    schema = form.get("/api/schema")
    assert schema["$defs"]["renderer.mypaint"]["properties"]["brush"]["description"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", b"no picture"),
        ("a.png", b""),
        ("a.png", png()[:60]),
        ("a.svg", b"<svg onload='x'/>"),
        ("a.toml", b"a=1"),
    ],
)
def test_uploads_that_are_no_image_leave_nothing(form: Any, name: str, content: bytes) -> None:
    before = sorted(path.name for path in (form.folder / "uploads").iterdir())
    answer = upload(form, name, content)
    assert answer.status == 400
    assert ".artkit-" not in answer.json["error"]
    assert sorted(path.name for path in (form.folder / "uploads").iterdir()) == before


@pytest.mark.parametrize("name", ["..%2F..%2Fevil.png", "%2Ftmp%2Fevil.png", ".studio", "..", "%00.png", "uploads"])
def test_an_upload_stays_in_its_folder(form: Any, name: str) -> None:
    path = Path(upload(form, name, png()).json["path"])
    assert path.parent == Path("../uploads")
    assert (form.folder / "recipes" / path).resolve().parent == form.folder.resolve() / "uploads"


def test_an_upload_never_replaces_a_file(form: Any) -> None:
    paths = {upload(form, "same.png", png((8 + index, 8))).json["path"] for index in range(3)}
    assert len(paths) == 3


def test_an_upload_that_is_too_large_is_refused(form: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artkit.studio.app.MAX_UPLOAD_BYTES", 1 << 20)
    assert upload(form, "large.png", b"\0" * ((1 << 20) + 1)).status == 400


def test_an_image_with_too_many_pixels_is_refused(form: Any) -> None:
    """A small file that claims to be huge, as by a decompression bomb."""
    content = bytearray(png())
    content[16:24] = (100_000).to_bytes(4, "big") * 2
    assert upload(form, "bomb.png", bytes(content)).status == 400


@pytest.mark.parametrize("path", ["../../secret.png", "/etc/passwd", "../.studio/token", "~/x.png"])
def test_only_pictures_of_the_folder_are_shown(form: Any, path: str) -> None:
    assert form.request("GET", f"/api/picture?path={path}").status == 400
    loaded = form.request("POST", "/api/recipes/load", {"name": "photo", "picture": path})
    assert loaded.status == 400


@pytest.mark.parametrize("name", ["../photo", "/etc/passwd", "none"])
def test_only_known_recipes_are_read(form: Any, name: str) -> None:
    for saved in (True, False):
        assert form.request("POST", "/api/recipes/load", {"name": name, "saved": saved}).status == 400


def test_only_known_brushes_are_shown(form: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form.app.state.studio.form, "_sampled", True)  # no process in this test
    samples = form.folder / ".studio" / "samples"
    samples.mkdir(parents=True)
    (samples / "brushes.json").write_text('[{"name": "one/brush", "file": "/secret"}]')
    (samples / "one").mkdir()
    Image.new("RGB", (8, 8)).save(samples / "one/brush.jpg")
    (brush,) = form.get("/api/brushes")["brushes"]
    assert brush["sample"] > 0
    assert "file" not in brush
    assert form.request("GET", "/api/brush?name=one/brush").status == 200
    assert form.request("GET", "/api/brush?name=../token").status == 400
