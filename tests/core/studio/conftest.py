"""Fixtures of the tests of the studio: a server in this process, and a finished run in its folder."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from PIL import Image

import artkit
from artkit.engine.live_view import LIVE_FOLDER
from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
from artkit.engine.task import Interrupted
from artkit.recipes.reading import read_recipe

uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
pytest.importorskip("sse_starlette")

RECIPE = """\
steps = 3
size = [160, 112]

[canvas]
type = "single"
strokes = 6

[renderer]
type = "gan"

[objective.look]
type = "pixel"
target = "../uploads/target.png"
"""


class Answer(NamedTuple):
    """An answer of the server."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Server(NamedTuple):
    """A studio of a folder, at a port."""

    folder: Path
    port: int
    token: str
    app: Any

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    def request(
        self,
        method: str,
        path: str,
        values: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send a request as it is: the path is not normalised, and headers can be anything."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"X-Artkit-Token": self.token if token is None else token, **(headers or {})}
        if values is not None:
            body, sent["Content-Type"] = json.dumps(values).encode(), "application/json"
        connection.putrequest(method, path, skip_host="Host" in sent)
        for name, value in {**sent, "Content-Length": str(len(body or b""))}.items():
            connection.putheader(name, value)
        connection.endheaders(body or b"")
        response = connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        connection.close()
        return answer

    def get(self, path: str) -> Any:
        answer = self.request("GET", path)
        assert answer.status == 200, answer.content
        return answer.json

    def post(self, path: str, values: Any = None) -> Any:
        answer = self.request("POST", path, values or {})
        assert answer.status == 200, answer.content
        return answer.json


def paint(folder: Path, recipe: str = RECIPE, target: str = "uploads/target.png") -> None:
    """Paint a run into a folder of a studio."""
    studio = folder.parent
    (studio / "recipes").mkdir(parents=True, exist_ok=True)
    (studio / target).parent.mkdir(exist_ok=True)
    Image.linear_gradient("L").resize((160, 112)).save(studio / target)
    (studio / "recipes" / "r.toml").write_text(recipe)
    loaded = read_recipe([studio / "recipes" / "r.toml"])
    Run(folder, loaded, PaintingTask(loaded, torch.device("cpu"))).execute()


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a studio with the finished run "one". Tests must not change it."""
    folder = tmp_path_factory.mktemp("studio") / "runs"
    paint(folder / "one")
    return folder


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], Server]]:
    """Serves folders until the end of the tests: ``serve(folder)``."""
    from artkit.studio.app import create_app
    from artkit.studio.folder import StudioFolder

    servers = []

    def start(path: Path) -> Server:
        folder = StudioFolder(path)
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        app = create_app(folder, folder.token(), port)
        config = uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=0)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            threading.Event().wait(0.01)
        servers.append((server, thread))
        return Server(path, port, folder.token(), app)

    yield start
    for server, _ in servers:
        server.should_exit = True
    for _, thread in servers:
        thread.join(5)


@pytest.fixture(scope="session")
def studio(painted: Path, serve: Callable[[Path], Server]) -> Server:
    """The studio of `painted`."""
    return serve(painted)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], Any]) -> Any:
    """A studio with a film of 3 frames of 64x48 px, "whole", and what it was when stopped after 2, "part".

    Tests must not change it.
    """
    pytest.importorskip("av")
    pytest.importorskip("cv2")
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from film_clips import panned, write_video

    folder = tmp_path_factory.mktemp("films") / "runs"
    folder.mkdir()
    clip = write_video(folder.parent / "clip.mp4", panned(3))
    recipe = {
        "steps": 2,
        "size": [64, 48],
        "film": {"clip": str(clip), "steps": 1},
        "canvas": {"type": "grid", "tile": 24, "overlap": 12, "strokes": 1},
        "objective": {"look": {"type": "pixel"}},
    }
    live = folder / "part" / LIVE_FOLDER
    live.mkdir(parents=True)
    (live / "watching").touch()
    os.utime(live / "watching", times=(time.time() + 600,) * 2)  # somebody watches until the end
    run = artkit.paint(recipe, out=folder / "part")
    run.progress = lambda step, _: (live / "stop").touch() if step == 2 else None
    with pytest.raises(Interrupted):
        run.execute()
    shutil.copytree(folder / "part", folder / "whole")
    artkit.paint(recipe, out=folder / "whole", resume=True).execute()
    return serve(folder)


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory, painted: Path, serve: Callable[[Path], Any]) -> Any:
    """A studio with two finished runs and the sheet of two brushes. Tests may change it, and change it back."""
    folder = tmp_path_factory.mktemp("page") / "runs"
    shutil.copytree(painted, folder)
    shutil.copytree(painted / "one", folder / "two")
    started = serve(folder)
    form = started.app.state.studio.form
    form._sampled = True  # no process in these tests
    samples = folder / ".studio" / "samples" / "classic"
    samples.mkdir(parents=True)
    (samples.parent / "brushes.json").write_text(json.dumps([{"name": "classic/pen"}, {"name": "classic/dry_brush"}]))
    Image.new("RGB", (260, 85), "white").save(samples / "pen.jpg")
    return started


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[[Server], Any]]:
    """Opens pages on which errors fail the test, also those in the console, and requests elsewhere too."""
    contexts, faults = [], []

    def start(studio: Server) -> Any:
        context = chromium.new_context(viewport={"width": 1200, "height": 800})
        contexts.append(context)
        opened = context.new_page()
        opened.set_default_timeout(15_000)
        own = (f"http://127.0.0.1:{studio.port}/", "blob:", "data:")
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.on("console", lambda message: message.type == "error" and faults.append(message.text))
        opened.on("response", lambda response: response.status in (403, 404, 500) and faults.append(response.url))
        opened.on("request", lambda request: request.url.startswith(own) or faults.append(request.url))
        return opened

    yield start
    for context in contexts:
        context.close()
    refused = "Failed to load resource"  # logged by the browser
    assert [fault for fault in faults if not fault.startswith(refused)] == []


@pytest.fixture
def page(open_page: Callable[[Any], Any], studio: Any) -> Any:
    """A page of the studio of the tests' module."""
    return open_page(studio)
