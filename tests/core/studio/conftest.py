"""Fixtures of the tests of the studio: a server in this process, and a finished run in its folder."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from PIL import Image

from artkit.engine.painting_task import PaintingTask
from artkit.engine.run import Run
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
