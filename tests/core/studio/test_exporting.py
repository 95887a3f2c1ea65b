"""Export and watching: processes beside the studio."""

from __future__ import annotations

import shutil
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from artkit.errors import UsageError
from artkit.studio.access import Activity
from artkit.studio.folder import StudioFolder
from artkit.studio.notebook import open_studio
from artkit.studio.server import serve as run_server


def test_formats_are_those_of_the_exporters(studio: Any) -> None:
    formats = {known["suffix"]: known["description"] for known in studio.get("/api/formats")["formats"]}
    assert {"png", "jpg", "svg", "json"} <= formats.keys()
    assert all(formats.values())


@pytest.mark.slow
def test_a_run_is_exported_and_downloaded(painted: Path, tmp_path: Path, serve: Callable[[Path], Any]) -> None:
    shutil.copytree(painted, tmp_path / "runs")
    studio = serve(tmp_path / "runs")
    values = {"format": "jpg", "size": "4x3cm", "fill": True, "dpi": 254, "file": "../../print"}
    assert studio.post("/api/runs/one/exports", values) == {"path": "one/exports/print.jpg"}
    assert studio.request("POST", "/api/runs/one/exports", values).status == 409, "one at a time"
    deadline = time.monotonic() + 60
    while studio.get("/api/runs/one/exports")["running"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert studio.get("/api/runs/one/exports")["error"] == ""
    with Image.open(tmp_path / "runs/one/exports/print.jpg") as exported:
        assert exported.width / exported.height == pytest.approx(4 / 3, abs=0.01)
        assert exported.width / exported.info["dpi"][0] * 2.54 == pytest.approx(4, abs=0.02)
    assert "one/exports/print.jpg" in [file["path"] for file in studio.get("/api/runs/one")["files"]]
    answer = studio.request("GET", "/files/one/exports/print.jpg?download=1")
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("values", [{"format": "exe"}, {"format": "../x"}, {"format": "png", "dpi": "many"}, {}])
def test_exports_that_are_not_possible(studio: Any, values: dict[str, Any]) -> None:
    assert studio.request("POST", "/api/runs/one/exports", values).status == 400
    assert not (studio.folder / "one" / "exports").exists()


@pytest.mark.slow
def test_an_export_that_fails_says_why(painted: Path, tmp_path: Path, serve: Callable[[Path], Any]) -> None:
    shutil.copytree(painted, tmp_path / "runs")
    studio = serve(tmp_path / "runs")
    studio.post("/api/runs/one/exports", {"format": "png", "size": "--help"})
    deadline = time.monotonic() + 60
    while studio.get("/api/runs/one/exports")["running"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "is not a size" in studio.get("/api/runs/one/exports")["error"]


@pytest.mark.slow
def test_watching_starts_one_studio_for_all_runs_of_a_folder(painted: Path, tmp_path: Path) -> None:
    import artkit

    shutil.copytree(painted, tmp_path / "runs")
    view = artkit.watch(tmp_path / "runs" / "one")
    try:
        assert view.address.endswith("#/run/one")
        with urllib.request.urlopen(view.address.partition("#")[0], timeout=10) as answer:
            assert b"artkit studio" in answer.read()
        assert "embed=1" in view._repr_html_()
        address, process = open_studio(tmp_path / "runs" / "new")
        assert address == view.address.replace("#/run/one", "#/run/new")
        assert process is None, "the second run is shown by the same studio"
    finally:
        view.close()
    assert StudioFolder(tmp_path / "runs").serving_address() is None


def test_a_server_is_idle_when_nobody_asks_or_watches() -> None:
    activity = Activity(last=time.monotonic() - 100)
    assert activity.idle_seconds() >= 100
    activity.watching = 1
    assert activity.idle_seconds() == 0


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="is taken"):
        run_server(tmp_path, taken.getsockname()[1], False, print)
