"""Campaign: damaged requests to the studio: methods, addresses, headers, bodies and uploads, as bytes over a socket.

Behind the server lies a folder with a secret. Some files and folders are deleted just after a request has checked
them. A request is a fault if it is answered with a status of 500 or more, or
with the secret, if it is not answered, or if it changes a file outside the folder of the studio. Whatever the
studio would start as a process is not started.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import quote

from harness import Case, Fault, main
from mutations import HOSTILE_VALUES, mutate_bytes, mutate_tree
from pictures import mutate_picture
from PIL import Image

SECRET = "the secret of another folder"
RECIPE: dict[str, Any] = {
    "steps": 1, "size": [48, 32], "canvas": {"type": "single", "strokes": 2}, "renderer": {"type": "gan"},
    "objective": {"look": {"type": "pixel", "target": "../uploads/picture.png"}},
}  # fmt: skip
MAX_SECONDS = 8.0
"""In which a request ends after its connection was closed."""
METHODS = ("GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "x")
HEADERS = ("Host", "X-Artkit-Token", "Content-Type", "Content-Length", "Connection", "Origin", "Range", "If-Range",
           "If-None-Match", "Transfer-Encoding", "Expect", "Sec-Fetch-Site", "Upgrade")  # fmt: skip
HEADER_VALUES = ("", "x", "-1", "0", "99999999999999999999", "bytes=0-,5-9", "bytes=-9", "bytes=9-1", "bytes=a-",
                 "chunked", "100-continue", "websocket", "application/json", "\xff", "a" * 9_000)  # fmt: skip
NAMES = ("../secret.txt", "..%2fsecret.txt", "/etc/passwd", "linked", "link.txt", "one/../../secret.txt", "uploads",
         "é", ".studio/token", "one\x00", "one/.live", "a" * 300, "%ff", "one%00", "trash", "//", "one/")  # fmt: skip
"""Names of runs and files, besides valid ones, that a request may have."""


class Request(NamedTuple):
    """A valid request: its method, its path, the values of its JSON body, and its body if it is another one."""

    method: str
    path: str
    values: Mapping[str, Any] | None = None
    body: bytes = b""


def requests() -> list[Request]:
    """Return a valid request of each kind that the page makes, but those that wait for events."""
    from artkit.studio.recipes import to_toml

    toml, stream = to_toml(RECIPE), io.BytesIO()
    Image.linear_gradient("L").resize((24, 16)).save(stream, "PNG")
    pages = ("/", "/static/index.html", "/api/runs", "/api/formats", "/api/schema", "/api/recipes", "/api/brushes")
    run = "/api/runs/one"
    return [
        *(
            Request("GET", page)
            for page in (*pages, "/files/one/painting.png", "/api/brush?name=classic/charcoal", run)
        ),
        *(Request("GET", run + rest) for rest in ("/tiles/0/0/0?key=", "/thumbnail?side=64", "/target?side=64")),
        *(Request("GET", run + rest) for rest in ("/replay", "/replay/0", "/exports")),
        Request("GET", "/api/picture?path=../uploads/picture.png&side=64"),
        Request("POST", "/api/runs", {"toml": toml, "name": "two"}),
        Request("POST", run + "/replay", {}),
        Request("POST", run + "/exports", {"format": "png", "size": "9x6cm", "dpi": 100, "file": "a.png"}),
        Request("POST", run + "/steer", {"steps": 3, "lr": 0.1, "weights": {"look": 2.0}, "weight_images": {}}),
        Request("POST", run + "/stop", {}),
        Request("POST", "/api/recipes/load", {"name": "photo", "saved": False, "picture": "../uploads/picture.png"}),
        Request("POST", "/api/recipes/picture", {"tree": RECIPE, "picture": "../uploads/picture.png"}),
        Request("POST", "/api/recipes/format", {"tree": RECIPE}),
        Request("POST", "/api/recipes/parse", {"toml": toml}),
        Request("POST", "/api/recipes/save", {"name": "mine", "toml": toml, "replace": True}),
        Request("POST", "/api/uploads?name=new.png", body=stream.getvalue()),
        Request("GET", run + "/film"),
        Request("GET", "/api/files"),
        Request("GET", "/api/uploads/picture.png"),
        Request("DELETE", run, {}),
        Request("DELETE", "/api/uploads/picture.png", {}),
        Request("DELETE", "/api/recipes/r", {}),
        Request("POST", "/api/trash/one/restore", {"name": "one"}),
    ]


def encoded(request: Request, studio: Studio, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a request as bytes. headers: replace those that are sent anyway."""
    body = request.body if request.values is None else json.dumps(request.values).encode()
    sent = {
        "Host": f"127.0.0.1:{studio.port}",
        "X-Artkit-Token": studio.token,
        "Content-Type": "application/octet-stream" if request.values is None else "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **(headers or {}),
    }
    lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + body


def damaged(request: Request, rng: random.Random, studio: Studio) -> tuple[bytes, bool]:
    """Return a request as bytes, with damage in one or two of its parts, and whether it is complete."""
    kinds = rng.sample(("method", "path", "query", "body", "body", "headers", "bytes"), rng.randint(1, 2))
    (path, _, query), headers = request.path.partition("?"), {}
    if "method" in kinds:
        request = request._replace(method=rng.choice(METHODS))
    if "path" in kinds:
        parts = path.split("/")
        parts[rng.randrange(len(parts))] = rng.choice(NAMES)
        path = quote("/".join(parts), safe="/%" if rng.random() < 0.8 else "")
    if "query" in kinds:
        name = query.partition("=")[0] if query and rng.random() < 0.7 else rng.choice(("side", "v", "key", "name"))
        query = f"{name}={quote(str(rng.choice(HOSTILE_VALUES + NAMES)), errors='replace')[:20_000]}"
    if "body" in kinds and request.body:
        request = request._replace(body=mutate_picture("plain.png", request.body, rng))
    elif "body" in kinds and request.values is not None:
        request = request._replace(values=mutate_tree(dict(request.values), rng))
    if "headers" in kinds:
        headers[rng.choice(HEADERS)] = rng.choice(HEADER_VALUES)
    content = encoded(request._replace(path=f"{path}?{query}" if query else path), studio, headers)
    content = mutate_bytes(content, rng) if "bytes" in kinds else content
    return content, not {"bytes", "headers"} & set(kinds)


def send(port: int, content: bytes, complete: bool) -> bytes:
    """Send bytes to the server and return its answer. Raises Fault if there is none to a complete request.

    For the rest of an incomplete request the server waits, perhaps for ever: its connection is closed soon.
    """
    answer = b""
    with socket.create_connection(("127.0.0.1", port), MAX_SECONDS if complete else 0.1) as connection:
        try:
            connection.sendall(content)
            while part := connection.recv(1 << 16):
                answer += part
        except (ConnectionResetError, BrokenPipeError):  # the server has refused the rest
            pass
        except TimeoutError:
            if complete:
                raise Fault("no answer") from None
    return answer


class Studio:
    """A studio that is served in this process, in a folder beside a secret."""

    def __init__(self, valid: Path, root: Path) -> None:
        self._valid, self.root, self.folder = valid, root, root / "studio"
        self.folder.mkdir(parents=True)
        (root / "outside").mkdir()
        (root / "secret.txt").write_text(SECRET)
        self.errors: list[str] = []
        self.running = 0
        self._deleted, self._checks = Path(), 0
        self._watch_checks()
        self.port, self.token = self._serve()

    def _serve(self) -> tuple[int, str]:
        import uvicorn

        from artkit.studio.app import create_app
        from artkit.studio.folder import StudioFolder

        folder = StudioFolder(self.folder)
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        app = create_app(folder, folder.token(), port)

        async def recorded(scope: Any, receive: Any, send: Any) -> None:
            self.running += 1
            try:
                await app(scope, receive, send)
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                self.errors.append(f"{type(error).__name__} in {Path(place.filename).name}, {place.name}")
                raise
            finally:
                self.running -= 1

        server = uvicorn.Server(uvicorn.Config(recorded, log_level="critical", lifespan="off"))
        threading.Thread(target=server.run, args=([listening],), daemon=True).start()
        while not server.started:
            threading.Event().wait(0.01)
        return port, folder.token()

    def _watch_checks(self) -> None:
        stat = Path.stat

        def checked(path: Path, **options: Any) -> Any:
            found = stat(path, **options)
            if path == self._deleted:
                self._checks -= 1
                if self._checks == 0:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            return found

        Path.stat = checked  # type: ignore[method-assign]

    def delete_later(self, rng: random.Random) -> None:
        """Let a file or folder vanish after one of the next checks of it."""
        paths = sorted(path for path in self.folder.rglob("*") if ".studio" not in path.parts and not path.is_symlink())
        self._deleted, self._checks = rng.choice(paths), rng.randint(1, 8)

    def restore(self) -> None:
        """Give the folder of the studio the contents that it had at first, and links to what lies outside."""
        self._deleted = Path()
        for path in self.folder.iterdir():
            if path.is_symlink() or path.is_file():
                path.unlink()
            elif path.name != ".studio":
                shutil.rmtree(path)
        shutil.copytree(self._valid, self.folder, dirs_exist_ok=True)
        (self.folder / "link.txt").symlink_to(self.root / "secret.txt")
        (self.folder / "linked").symlink_to(self.root / "outside")

    def _outside(self) -> dict[str, tuple[int, int]]:
        files = [file for file in self.root.rglob("*") if not file.is_relative_to(self.folder)]
        return {str(file): (file.lstat().st_size, file.lstat().st_mtime_ns) for file in files}

    def answer(self, content: bytes, complete: bool = True) -> int:
        """Send bytes and return the status of the answer; 0 if the server closes without one. Raises Fault."""
        self.errors.clear()
        before = self._outside()
        answer = send(self.port, content, complete)
        deadline = time.monotonic() + MAX_SECONDS
        while self.running:
            if time.monotonic() > deadline:
                raise Fault("a request does not end")
            time.sleep(0.001)
        status = int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0
        if status >= 500 or self.errors:
            raise Fault(f"status {status}: {', '.join(self.errors) or answer[-300:]!r}")
        if SECRET.encode() in answer or b"root:x:0" in answer:
            raise Fault("a file outside the folder is served")
        if self._outside() != before:
            raise Fault("a file outside the folder has changed")
        return status


def _paint(studio: Path) -> None:
    """Paint a run in the folder of a studio."""
    import artkit
    from artkit.files import write_text
    from artkit.studio.recipes import to_toml

    (studio / "uploads").mkdir(parents=True)
    Image.linear_gradient("L").resize((48, 32)).save(studio / "uploads" / "picture.png")
    write_text(studio / "recipes" / "r.toml", to_toml(RECIPE))
    artkit.paint(studio / "recipes" / "r.toml", out=studio / "one").execute()


def prepare(folder: Path) -> Case:
    """Paint a run. The server starts with the first case of a process."""
    import torch

    from artkit.errors import ArtkitError
    from artkit.studio import processes

    torch.set_num_threads(1)
    stub = SimpleNamespace(Popen=lambda *_, **__: None, DEVNULL=subprocess.DEVNULL)
    processes.subprocess = stub  # type: ignore[assignment]
    _paint(folder / "valid")
    valid = requests()
    served: list[Studio] = []

    def case(rng: random.Random | None, _: Path) -> None:
        if not served:
            served.append(Studio(folder / "valid", Path(tempfile.mkdtemp(dir=folder))))
        studio = served[0]
        studio.restore()
        if rng is None:
            for request in valid:
                studio.answer(encoded(request, studio))
            return
        for _ in range(rng.randint(1, 3)):
            if rng.random() < 0.3:
                studio.delete_later(rng)
            status = studio.answer(*damaged(rng.choice(valid), rng, studio))
        if not 200 <= status < 400:  # of the last one
            raise ArtkitError(f"status {status}")

    return case


if __name__ == "__main__":
    main("studio", __doc__, prepare)
