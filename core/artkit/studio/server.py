"""The process of the server: `artkit studio`."""

from __future__ import annotations

import math
import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from artkit.errors import ArtkitError, UsageError
from artkit.folder_lock import FolderLocked
from artkit.studio.folder import StudioFolder

if TYPE_CHECKING:
    import uvicorn

    from artkit.studio.access import Activity

DEFAULT_PORT = 8765
_PORTS_TRIED = 20
_IDLE_SECONDS = 1.0  # without a request: nobody waits for an answer


def serve(
    path: Path, port: int | None, open_browser: bool, show: Callable[[str], None], idle_seconds: float = math.inf
) -> None:
    """Serve a folder until Ctrl-C, or until nobody has used the page for some time.

    port: by default the one that the folder had last, else the first free one from 8765 on. show: is called with the
    address once it answers. If another process serves the folder, its address is shown
    and opened instead.

    Raises UsageError if the extra `studio` is not installed or the port is taken.
    """
    if missing := next((name for name in ("uvicorn", "starlette", "sse_starlette") if not find_spec(name)), None):
        raise UsageError(f"the studio needs the package {missing}", hint='pip install "neural-artkit[studio]"')
    folder = StudioFolder(path)
    try:
        with folder.lock.held():
            _serve(folder, port, open_browser, show, idle_seconds)
    except FolderLocked:
        if (address := folder.serving_address()) is None:
            raise ArtkitError(f"another studio of {path} has just ended", hint="start it again") from None
        show(address)
        if open_browser:
            webbrowser.open(address)


def _serve(
    folder: StudioFolder, port: int | None, open_browser: bool, show: Callable[[str], None], idle_seconds: float
) -> None:
    import uvicorn

    from artkit.studio.app import create_app

    listening = _listen(port, folder.port())
    chosen = listening.getsockname()[1]
    folder.write_port(chosen)
    token = folder.token()
    app = create_app(folder, token, chosen)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, lifespan="off")
    server = uvicorn.Server(config)
    address = f"http://127.0.0.1:{chosen}/?token={token}"

    def announce() -> None:
        show(address)
        if open_browser:
            webbrowser.open(address)
        while app.state.activity.idle_seconds() < _IDLE_SECONDS:
            time.sleep(0.1)
        app.state.studio.form.schema()  # takes a second, which the first form would wait for

    threading.Thread(target=_when_started, args=(server, announce), daemon=True).start()
    if idle_seconds < math.inf:
        threading.Thread(target=_end_when_idle, args=(server, app.state.activity, idle_seconds), daemon=True).start()
    server.run(sockets=[listening])


def _when_started(server: uvicorn.Server, announce: Callable[[], None]) -> None:
    """Call a function once a server answers."""
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.02)
    announce()


def _end_when_idle(server: uvicorn.Server, activity: Activity, seconds: float) -> None:
    """End a server that nobody has used for some time."""
    while activity.idle_seconds() < seconds:
        time.sleep(1.0)
    server.should_exit = True


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
