"""``artkit export``: write the picture of a run to files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from artkit.errors import UsageError

if TYPE_CHECKING:
    from artkit.config import Colour
    from artkit.geometry.window import Window


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--scale", type=click.FloatRange(min=0, min_open=True, max=1024), default=1.0, help="Scale factor.")
@click.option("--window", metavar="X,Y,WIDTH,HEIGHT", help="Export a part of the picture, in px of the recipe.")
@click.option("--renderer", help="Another renderer than the run's: mypaint, gan, …")
@click.option("--brush", help="Another brush than the run's.")
@click.option("--background", metavar="RRGGBB", help="Another background than the run's, as in HTML: ff8800")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the format: bits=16, seconds=20"
)
@click.option("--device", help="auto, cpu, cuda or mps.", default="auto")
def export(
    run: Path,
    files: tuple[Path, ...],
    scale: float,
    window: str | None,
    renderer: str | None,
    brush: str | None,
    background: str | None,
    settings: tuple[str, ...],
    device: str,
) -> None:
    """Write the picture of a run to files.

    RUN is the folder of a run. The extensions of the files choose their formats.
    """
    if math.isnan(scale):
        raise UsageError("--scale nan is not a number")
    from artkit.output.export import exporters, open_painting, write_painting

    chosen = exporters(files, settings)
    painting = open_painting(run, scale, renderer, brush, device, _parse_colour(background), _parse_window(window))
    if not all(length > 0 for length in painting.size):
        raise UsageError(f"at scale {scale:g} the picture has no pixels", hint="choose a larger --scale")
    for exporter, file in zip(chosen, files, strict=True):
        write_painting(painting, exporter, file)
        click.echo(str(file))


def _parse_colour(text: str | None) -> Colour | None:
    if text is None:
        return None
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except ValueError:
        raise UsageError(f"--background {text} is not a colour", hint="write six hex digits, such as ff8800") from None
    return red / 255, green / 255, blue / 255


def _parse_window(text: str | None) -> Window | None:
    if text is None:
        return None
    from artkit.geometry.window import Window

    try:
        x, y, width, height = (int(number) for number in text.split(","))
    except ValueError:
        raise UsageError(
            f"--window {text} is not a rectangle", hint="write X,Y,WIDTH,HEIGHT in px: 100,50,64,64"
        ) from None
    return Window(x, y, width, height)
