"""``artkit studio``: a page on which people paint, watch, steer and choose."""

from __future__ import annotations

import math
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="runs")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the loopback address.  [default: from 8765 on]")
@click.option("--no-browser", is_flag=True, help="Print the address and open no browser.")
@click.option("--idle-exit", type=float, default=math.inf, hidden=True, help="Seconds without use after which it ends.")
def studio(folder: Path, port: int | None, no_browser: bool, idle_exit: float) -> None:
    """Open a page on which you paint, watch, steer and choose.

    FOLDER holds the runs; by default it is runs/. Only this computer can open the page, and only with the address that
    is printed. Runs go on when the page or the studio is closed.
    """
    from artkit.studio.server import serve

    serve(folder, port, not no_browser, lambda address: click.echo(f"studio of {folder}: {address}"), idle_exit)
