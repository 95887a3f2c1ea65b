"""The process of the server: `artkit studio`."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from artkit.errors import ArtkitError, UsageError
from artkit.folder_lock import FolderLocked
from artkit.studio.folder import StudioFolder

DEFAULT_PORT = 8765
_PORTS_TRIED = 20


def serve(path: Path, port: int | None, open_browser: bool, show: Callable[[str], None], run: str = "") -> None:
    """Serve a folder until Ctrl-C.

    port: by default the one that the folder had last, else the first free one from 8765 on. show: is called with the
    address once it answers. run: name of the run to open. If another process serves the folder, its address is shown
    and opened instead.

    Raises UsageError if the extra `studio` is not installed or the port is taken.
    """
    if missing := next((name for name in ("uvicorn", "starlette", "sse_starlette") if not find_spec(name)), None):
        raise UsageError(f"the studio needs the package {missing}", hint='pip install "neural-artkit[studio]"')
    folder = StudioFolder(path)
    try:
        with folder.lock.held():
            _serve(folder, port, open_browser, show, run)
    except FolderLocked:
        if (address := folder.serving_address()) is None:
            raise ArtkitError(f"another studio of {path} has just ended", hint="start it again") from None
        show(with_run(address, run))
        if open_browser:
            webbrowser.open(with_run(address, run))


def _serve(folder: StudioFolder, port: int | None, open_browser: bool, show: Callable[[str], None], run: str) -> None:
    import uvicorn

    from artkit.studio.app import create_app

    listening = _listen(port, folder.port())
    chosen = listening.getsockname()[1]
    folder.write_port(chosen)
    token = folder.token()
    app = create_app(folder, token, chosen)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, lifespan="off")
    server = uvicorn.Server(config)
    address = with_run(f"http://127.0.0.1:{chosen}/?token={token}", run)

    def announce() -> None:
        show(address)
        if open_browser:
            webbrowser.open(address)

    threading.Timer(0.0, _when_started, (server, announce)).start()
    server.run(sockets=[listening])


def _when_started(server: object, announce: Callable[[], None]) -> None:
    """Call a function once a server answers."""
    import time

    while not getattr(server, "started", False):
        if getattr(server, "should_exit", False):
            return
        time.sleep(0.02)
    announce()


def with_run(address: str, run: str) -> str:
    """Return an address of the page that shows a run; "" for the gallery."""
    return f"{address}#/run/{quote(run)}" if run else address


def _listen(port: int | None, earlier: int | None) -> socket.socket:
    """Return a socket that listens on the loopback address. Raises UsageError if the port is taken."""
    candidates = [port] if port is not None else [*([earlier] if earlier else []), *_default_ports(), 0]
    for candidate in candidates:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", candidate))
        except OSError:
            listening.close()
            continue
        return listening
    raise UsageError(f"port {port} is taken", hint="choose another one with --port, or leave --port out")


def _default_ports() -> range:
    return range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED)
