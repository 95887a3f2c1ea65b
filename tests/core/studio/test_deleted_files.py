"""Files that are deleted while a request deals with them: after they were checked, or while they are sent."""

from __future__ import annotations

import http.client
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MAX_CHECKS = 12
"""Of one path in one request. The path is deleted after the first, the second and so on."""


class Deletion:
    """Deletes a path as soon as it has been checked for the n-th time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.checks = Path(), 0
        stat = Path.stat

        def checked(file: Path, **options: Any) -> Any:
            found = stat(file, **options)
            if file == self.path:
                self.checks -= 1
                if self.checks == 0:
                    shutil.rmtree(file) if file.is_dir() else file.unlink()
            return found

        monkeypatch.setattr(Path, "stat", checked)

    def after(self, checks: int, path: Path) -> None:
        self.path, self.checks = path, checks


@pytest.fixture
def deletion(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deletion]:
    with monkeypatch.context() as patch:
        yield Deletion(patch)


@pytest.fixture(scope="module")
def emptied(tmp_path_factory: pytest.TempPathFactory, painted: Path, serve: Callable[[Path], Any]) -> Any:
    """A studio in whose folder `fill` puts everything before a test deletes some of it."""
    folder = tmp_path_factory.mktemp("deleted") / "runs"
    folder.mkdir()
    studio = serve(folder)
    studio.app.state.studio.form._sampled = True  # no process in these tests
    return studio


def fill(folder: Path, painted: Path) -> None:
    for path in folder.iterdir():
        if path.name != ".studio":
            shutil.rmtree(path)
    shutil.copytree(painted, folder, dirs_exist_ok=True)
    (folder / "one" / "exports").mkdir()
    shutil.copy(folder / "one" / "painting.png", folder / "one" / "exports" / "print.png")
    (folder / "one" / ".live").mkdir(exist_ok=True)
    (folder / "trash").mkdir()
    shutil.copy(folder / "uploads" / "target.png", folder / "trash" / "uploads~gone.png")


RUN_FILES = ("one", "one/painting.png", "one/preview.png", "one/log.jsonl", "one/recipe.toml", "one/checkpoint.pt",
             "one/strokes.json", "one/.live", "one/exports", "one/exports/print.png")  # fmt: skip
REQUESTS: list[tuple[str, str, Any, tuple[str, ...]]] = [
    ("GET", "/files/one/painting.png", None, ("one", "one/painting.png")),
    ("GET", "/api/runs", None, RUN_FILES),
    ("GET", "/api/runs/one", None, RUN_FILES),
    ("GET", "/api/runs/one/thumbnail", None, RUN_FILES),
    ("GET", "/api/runs/one/tiles/0/0/0", None, RUN_FILES),
    ("GET", "/api/runs/one/target", None, ("one", "uploads/target.png")),
    ("GET", "/api/runs/one/replay", None, ("one", "one/strokes.json")),
    ("GET", "/api/files", None, ("one", "one/recipe.toml", "uploads", "uploads/target.png", "recipes/r.toml", "trash")),
    ("GET", "/api/uploads/target.png", None, ("uploads/target.png",)),
    ("GET", "/api/picture?path=../uploads/target.png", None, ("uploads/target.png",)),
    ("GET", "/api/recipes", None, ("recipes/r.toml",)),
    ("POST", "/api/recipes/load", {"name": "r", "saved": True}, ("recipes/r.toml", "uploads/target.png")),
    ("POST", "/api/runs/one/stop", {}, ("one",)),
    ("POST", "/api/runs/one/steer", {"steps": 3}, ("one", "one/recipe.toml", "one/checkpoint.pt")),
    ("POST", "/api/trash/uploads~gone.png/restore", {"name": "uploads/gone.png"}, ("trash/uploads~gone.png", "trash")),
    ("DELETE", "/api/runs/one", {}, ("one", "one/recipe.toml")),
    ("DELETE", "/api/uploads/target.png", {}, ("uploads/target.png", "uploads")),
    ("DELETE", "/api/recipes/r", {}, ("recipes/r.toml",)),
]


@pytest.mark.parametrize(("method", "address", "values", "deleted"), REQUESTS, ids=lambda value: str(value)[:40])
def test_what_is_deleted_meanwhile_is_told(
    emptied: Any, painted: Path, deletion: Deletion, method: str, address: str, values: Any, deleted: tuple[str, ...]
) -> None:
    emptied.app.state.studio.launch = lambda path, tree: None
    for path in deleted:
        for checks in range(1, MAX_CHECKS):
            deletion.after(0, Path())
            fill(emptied.folder, painted)
            deletion.after(checks, emptied.folder.resolve() / path)
            answer = emptied.request(method, address, values)
            assert answer.status in (200, 400, 409), (path, checks, answer)
            if answer.headers["content-type"] == "application/json":
                assert answer.json
            if address in ("/api/runs", "/api/files", "/api/recipes"):
                assert answer.status == 200, "the rest is listed"
            if deletion.checks > 0:  # all checks have been made
                break


def test_a_file_that_is_deleted_while_it_is_sent_is_sent_to_its_end(emptied: Any, painted: Path) -> None:
    fill(emptied.folder, painted)
    content = bytes(range(256)) * (1 << 16)
    file = emptied.folder / "one" / "exports" / "large.tif"
    file.write_bytes(content)
    connection = http.client.HTTPConnection("127.0.0.1", emptied.port, timeout=30)
    connection.request("GET", f"/files/one/exports/large.tif?token={emptied.token}")
    response = connection.getresponse()
    received = response.read(100)
    file.unlink()
    assert received + response.read() == content
    connection.close()
