"""Attacks on the studio; each of them must fail."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

SECRET = "the secret of another folder"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, painted: Path, serve: Callable[[Path], Any]) -> Any:
    """A studio beside a folder with a secret."""
    root = tmp_path_factory.mktemp("attacked")
    shutil.copytree(painted, root / "runs")
    (root / "secret.txt").write_text(SECRET)
    (root / "secret.toml").write_text(f"# {SECRET}\nsteps = 1")
    shutil.copy(painted / "uploads/target.png", root / "secret.png")
    shutil.copytree(painted / "one", root / "outside")
    (root / "runs" / "link.txt").symlink_to(root / "secret.txt")
    (root / "runs" / "linked").symlink_to(root / "outside")
    (root / "runs" / "uploads" / "link.png").symlink_to(root / "secret.png")
    return serve(root / "runs")


def start(studio: Any, toml: str, **values: Any) -> Any:
    return studio.request("POST", "/api/runs", {"toml": toml, "name": "attack", **values})


def recipe(target: str) -> str:
    return f'steps = 1\nsize = [32, 32]\n[objective.look]\ntype = "pixel"\ntarget = {json.dumps(target)}\n'


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


# ---------------------------------------------------------------------------------------------------- who may speak
@pytest.mark.parametrize("token", ["", "wrong", "ü"])
@pytest.mark.parametrize("path", ["/", "/api/runs", "/files/one/painting.png", "/api/runs/one/thumbnail"])
def test_without_the_token_nothing_is_told(studio: Any, path: str, token: str) -> None:
    answer = studio.request("GET", path, token=token.encode().decode("latin-1"))
    assert answer.status == 403
    assert b"artkit studio" in answer.content
    assert b"<" not in answer.content
    assert studio.token not in answer.content.decode()


def test_the_token_in_the_address_is_enough(studio: Any) -> None:
    assert studio.request("GET", f"/api/runs?token={studio.token}", token=None).status == 200


def test_the_tokens_file_is_for_its_owner_and_is_not_served(studio: Any) -> None:
    file = studio.folder / ".studio" / "token"
    assert file.read_text() == studio.token
    assert file.stat().st_mode & 0o077 == 0
    assert studio.request("GET", "/files/.studio/token").status == 400


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", ""])
def test_dns_rebinding(studio: Any, host: str) -> None:
    """A name that was made to point to this computer is not the studio's."""
    assert studio.request("GET", "/api/runs", headers={"Host": host.format(port=studio.port)}).status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}"])
def test_requests_of_other_pages(studio: Any, origin: str) -> None:
    headers = {"Origin": origin.format(port=studio.port)}
    assert studio.request("POST", "/api/runs/one/stop", {}, headers=headers).status == 403
    assert studio.request("GET", "/api/runs", headers=headers).status == 403


def test_requests_that_a_browser_marks_as_those_of_another_page(studio: Any) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert studio.request("GET", "/api/runs/one/thumbnail", headers=headers).status == 403


def test_a_form_of_another_page_cannot_send_json(studio: Any) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = studio.request("POST", "/api/runs", headers={"Content-Type": kind}, body=b'{"toml": ""}')
        assert answer.status == 400


def test_the_page_loads_nothing_from_elsewhere(studio: Any) -> None:
    policy = studio.request("GET", "/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert studio.request("GET", "/").headers["referrer-policy"] == "no-referrer"


def test_the_server_listens_on_the_loopback_address_only(tmp_path: Path) -> None:
    from artkit.studio.server import _listen

    with _listen(None, None) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
        address = socket.gethostbyname(socket.gethostname())
        if not address.startswith("127."):
            listening.listen()
            with pytest.raises(OSError), socket.create_connection((address, listening.getsockname()[1]), 1):
                pass


# ------------------------------------------------------------------------------------------------------------ paths
PATHS = ["../secret.txt", "one/../../secret.txt", "/etc/passwd", "//etc/passwd", "link.txt", "linked/recipe.toml",
         "one/./recipe.toml", "one//recipe.toml", "..\\secret.txt", "one\0/../../secret.txt", ".studio/token",
         "uploads/link.png", "%2e%2e/secret.txt"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("encode", [lambda path: path.replace("\0", "%00"), lambda path: quote(path, safe="")])
def test_files_outside_the_folder_are_not_read(attacked: Any, path: str, encode: Callable[[str], str]) -> None:
    answer = attacked.request("GET", f"/files/{encode(path)}")
    assert answer.status in (400, 404)
    assert SECRET.encode() not in answer.content
    assert b"root:" not in answer.content


@pytest.mark.parametrize("name", ["..", "../outside", "linked", "uploads", ".studio", "/", "%2e%2e%2foutside"])
def test_runs_outside_the_folder_are_not_touched(attacked: Any, name: str) -> None:
    outside = attacked.folder.parent / "outside"
    for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/stop"), ("GET", "/thumbnail"), ("POST", "/replay")):
        assert attacked.request(method, f"/api/runs/{name}{rest}").status in (400, 404, 405)
    assert (outside / "recipe.toml").exists()
    assert "linked" not in [run["name"] for run in attacked.get("/api/runs")["runs"]]


def test_the_trash_restores_nothing_to_another_place(attacked: Any) -> None:
    trashed = attacked.request("POST", "/api/trash/..%2f..%2foutside/restore", {"name": "stolen"})
    assert trashed.status in (400, 404)
    assert not (attacked.folder / "stolen").exists()


@pytest.mark.parametrize(
    "target", ["../../secret.png", "{root}/secret.png", "~/secret.png", "../uploads/link.png", "../linked/painting.png"]
)
def test_recipes_cannot_name_files_outside_the_folder(attacked: Any, target: str) -> None:
    answer = start(attacked, recipe(target.format(root=attacked.folder.parent)))
    assert [error["place"] for error in answer.json["errors"]] == ["objective.look.target"]
    assert "only files below" in answer.json["errors"][0]["message"]
    assert not (attacked.folder / "attack").exists()


BLOCKS = {
    "background": 'background = "{root}/outside"',
    "renderer.brush": '[renderer]\ntype = "mypaint"\nbrush = "{root}/x.myb"',
    "agent.start": '[agent]\ntype = "free"\nstart = "{root}/outside"',
}


@pytest.mark.parametrize("place", BLOCKS)
def test_no_setting_of_a_recipe_names_a_file_outside_the_folder(attacked: Any, place: str) -> None:
    block = BLOCKS[place].format(root=attacked.folder.parent)
    objective = "[objective.look]\ntype = 'pixel'\ntarget = '../uploads/target.png'"
    (error,) = start(attacked, f"steps = 1\nsize = [32, 32]\n{block}\n{objective}").json["errors"]
    assert error["place"] == place
    assert "only files below" in error["message"]


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a/b", "..", ".hidden", "uploads", "\0", "x" * 500])
def test_the_name_of_a_new_run_cannot_leave_the_folder(attacked: Any, name: str) -> None:
    from artkit.studio.folder import StudioFolder

    path = StudioFolder(attacked.folder).new_run(name)
    assert path.parent == attacked.folder.resolve()
    assert path.name not in ("uploads", "recipes", "trash")
    assert not path.name.startswith(".")
    path.rmdir()


# ------------------------------------------------------------------------------------------------------- bad requests
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"[" * 100_000, b'{"toml": 3}', b'{"unknown": 1}', b"\xff"])
def test_bodies_that_are_no_request(studio: Any, body: bytes) -> None:
    answer = studio.request("POST", "/api/runs", headers={"Content-Type": "application/json"}, body=body)
    assert answer.status == 400
    assert answer.json["error"]


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/api/recipes/format", {"tree": {"a": "\ud800"}}),
        ("/api/recipes/parse", {"toml": "\ud800"}),
        ("/api/recipes/format", {"tree": {"a": _nested(600)}}),
        ("/api/recipes/load", {"name": "photo", "picture": "../uploads/" + "a" * 300}),
        ("/api/runs/" + "a" * 300 + "/stop", {}),
    ],
    ids=["surrogate in a tree", "surrogate in a text", "nesting", "long path", "long name"],
)
def test_values_that_nothing_can_be_done_with(studio: Any, path: str, values: dict[str, Any]) -> None:
    answer = studio.request("POST", path, values)
    assert answer.status == 400
    assert answer.json["error"]


def test_a_body_without_end_is_cut_off(studio: Any) -> None:
    answer = studio.request("POST", "/api/runs", headers={"Content-Type": "application/json"}, body=b" " * (5 << 20))
    assert answer.status == 400
    assert "larger" in answer.json["error"]


@pytest.mark.parametrize("tile", ["9/0/0", "0/9/9", "-1/0/0", "a/0/0", "0/0/99999999999999999999"])
def test_tiles_that_are_not_there(studio: Any, tile: str) -> None:
    assert studio.request("GET", f"/api/runs/one/tiles/{tile}").status in (400, 404)


@pytest.mark.parametrize("side", ["0", "-1", "1e9", "²", "x"])
def test_sides_that_are_none(studio: Any, side: str) -> None:
    assert studio.request("GET", f"/api/runs/one/thumbnail?side={quote(side)}").status == 400


def test_a_report_cannot_speak_for_the_page(studio: Any) -> None:
    policy = studio.request("GET", "/files/one/report.html").headers["content-security-policy"]
    assert policy.startswith("sandbox")
    assert "allow-same-origin" not in policy
