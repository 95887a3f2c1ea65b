"""The live view of runs in notebooks, and beside the command line."""

from __future__ import annotations

import html
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from artkit.engine.live_view import LIVE_FOLDER
from artkit.errors import ArtkitError, UsageError
from artkit.files import cannot_write
from artkit.studio.folder import StudioFolder
from artkit.studio.processes import RunProcess

if TYPE_CHECKING:
    from artkit.engine.run import Run

_START_SECONDS = 60.0
_IDLE_SECONDS = 600.0


class LiveRun:
    """The live view of a run: a notebook shows it as a frame.

    address: of the page. height: of the frame, px. studio: the process of the studio, if it was started for this view.
    """

    def __init__(self, address: str, height: int, studio: subprocess.Popen[str] | None = None) -> None:
        self.address, self.height = address, height
        self._studio = studio

    def close(self) -> None:
        """End the studio, if it was started for this view. The run goes on."""
        if self._studio is not None:
            self._studio.terminate()
            self._studio.wait()
            self._studio = None

    def _repr_html_(self) -> str:
        address = html.escape(self.address.replace("/?", "/?embed=1&", 1))
        return (
            f'<iframe src="{address}" width="100%" height="{self.height}" style="border: 0" title="live view"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<live view at {self.address}>"


def watch(run: Run | str | Path, height: int = 720) -> LiveRun:
    """Show a run while it is painted: the live view of `artkit studio`, in a notebook.

    ::

        run = artkit.paint("photo")
        artkit.watch(run)  # a cell of its own, before the one that executes the run
        run.execute()

    run: a run, or its folder. height: of the frame, px. A studio of the folder that contains the run is started, if
    there is none, and ends when nobody has used it for ten minutes. Raises UsageError without the extra `studio`.

    Examples:
        >>> import artkit
        >>> recipe = {"size": (48, 32), "canvas": {"type": "single", "strokes": 2}}
        >>> recipe["objective"] = {"smooth": {"type": "total-variation"}}
        >>> run = artkit.paint(recipe, steps=1, out="paintings/example")
        >>> view = artkit.watch(run)
        >>> view.address.endswith("#/run/example")
        True
        >>> view.close()
    """
    folder = Path(run) if isinstance(run, (str, Path)) else run.folder
    address, studio = open_studio(folder)
    return LiveRun(address, height, studio)


def open_studio(run: Path) -> tuple[str, subprocess.Popen[str] | None]:
    """Return the address at which a studio shows a run, and its process, if it was started because there was none.

    It goes on when this process ends, and ends when nobody has used it for ten minutes. The run finds in its folder
    that it is watched. Raises UsageError without the extra `studio`.
    """
    if missing := next((name for name in ("uvicorn", "starlette", "sse_starlette") if not find_spec(name)), None):
        raise UsageError(f"the studio needs the package {missing}", hint='pip install "neural-artkit[studio]"')
    path = run.absolute()
    try:
        (path / LIVE_FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path / LIVE_FOLDER, error) from None
    RunProcess(path).watch()
    studio = StudioFolder(path.parent)
    address, process = studio.serving_address(), None
    if address is None:
        address, process = _start(studio)
    return f"{address}#/run/{quote(path.name)}", process


def _start(studio: StudioFolder) -> tuple[str, subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "artkit", "studio", str(studio.path), "--no-browser", f"--idle-exit={_IDLE_SECONDS}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None
    deadline, line = time.monotonic() + _START_SECONDS, ""
    while time.monotonic() < deadline and (line := process.stdout.readline()):
        if (address := studio.serving_address()) and "token=" in line:
            return address, process
    raise ArtkitError(f"the studio has not started: {line.strip()}")
