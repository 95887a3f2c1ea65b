"""Uploads and saved recipes: listed, deleted into the trash and restored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def stored(tmp_path: Path, painted: Path, serve: Callable[[Path], Any]) -> Any:
    """A studio with a run, the upload that it paints, and a saved recipe that paints it too."""
    shutil.copytree(painted, tmp_path / "runs")
    (tmp_path / "secret.toml").write_text("steps = 1")
    (tmp_path / "runs" / "recipes" / "linked.toml").symlink_to(tmp_path / "secret.toml")
    shutil.copy(painted / "one" / "painting.png", tmp_path / "runs" / "uploads" / "unused.png")
    recipe = tmp_path / "runs" / "one" / "recipe.toml"
    moved = recipe.read_text().replace(str(painted), str((tmp_path / "runs").resolve()))
    recipe.write_text(moved)
    return serve(tmp_path / "runs")


def test_files_are_listed_with_what_uses_them(stored: Any) -> None:
    files = stored.get("/api/files")
    assert {upload["name"]: upload["used_by"] for upload in files["uploads"]} == {
        "target.png": ["one", "recipe r"], "unused.png": []
    }  # fmt: skip
    assert [recipe["name"] for recipe in files["recipes"]] == ["r"]
    assert files["trash"] == []
    assert stored.get("/api/uploads/target.png")["width"] == 160


@pytest.mark.parametrize(
    ("address", "file"), [("/api/uploads/target.png", "uploads/target.png"), ("/api/recipes/r", "recipes/r.toml")]
)
def test_a_deleted_file_is_in_the_trash_and_can_be_restored(stored: Any, address: str, file: str) -> None:
    before = (stored.folder / file).read_bytes()
    trashed = stored.request("DELETE", address).json["trashed"]
    assert not (stored.folder / file).exists()
    assert stored.get("/api/files")["trash"] == [trashed]
    (stored.folder / file).write_bytes(b"another one")
    assert stored.request("POST", f"/api/trash/{trashed}/restore", {"name": file}).status == 400
    assert (stored.folder / file).read_bytes() == b"another one", "nothing is replaced"
    (stored.folder / file).unlink()
    stored.post(f"/api/trash/{trashed}/restore", {"name": file})
    assert (stored.folder / file).read_bytes() == before


@pytest.mark.parametrize(
    "address",
    ["/api/uploads/..%2frecipes%2fr.toml", "/api/uploads/none.png", "/api/uploads/.hidden", "/api/recipes/linked",
     "/api/recipes/..%2f..%2fsecret", "/api/recipes/..%2fone%2frecipe"],
)  # fmt: skip
def test_nothing_else_is_deleted(stored: Any, address: str) -> None:
    before = sorted(path for path in stored.folder.parent.rglob("*") if ".studio" not in path.parts)
    assert stored.request("DELETE", address).status in (400, 404, 405)
    assert sorted(path for path in stored.folder.parent.rglob("*") if ".studio" not in path.parts) == before


@pytest.mark.parametrize("name", ["one/inner", "one/painting.png/inner", "two/one/painting.png/inner"])
def test_a_run_is_not_restored_into_another_one(stored: Any, name: str) -> None:
    shutil.copytree(stored.folder / "one", stored.folder / "two" / "one")
    trashed = stored.request("DELETE", "/api/runs/two/one").json["trashed"]
    stored.post(f"/api/trash/{trashed}/restore", {"name": "two/one"})
    trashed = stored.request("DELETE", "/api/runs/two/one").json["trashed"]
    if name.startswith("two/"):
        shutil.copytree(stored.folder / "one", stored.folder / "two" / "one")
    assert stored.request("POST", f"/api/trash/{trashed}/restore", {"name": name}).status == 400


@pytest.mark.parametrize(
    "name", ["../evil.png", "one/evil.png", "uploads/a/b.png", ".studio/token", "evil.png", "uploads"]
)
def test_a_file_is_not_restored_to_another_place(stored: Any, name: str) -> None:
    trashed = stored.request("DELETE", "/api/uploads/unused.png").json["trashed"]
    assert stored.request("POST", f"/api/trash/{trashed}/restore", {"name": name}).status == 400
    assert stored.get("/api/files")["trash"] == [trashed]
