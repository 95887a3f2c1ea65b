"""``artkit export``: write the picture of a run to files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artkit.cli.executor_options import build_executor, check_no_executor, executor_options
from artkit.errors import UsageError
from artkit.output.print_size import (
    MAX_SCALE,
    ExportSize,
    export_defaults,
    size_from_text,
    size_from_width,
    size_of_run,
)

if TYPE_CHECKING:
    from artkit.config import Colour
    from artkit.geometry.window import Window
    from artkit.rendering.rendered_painting import RenderedPainting


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--size", metavar="WIDTHxHEIGHT", help="Size of the print or picture: 30x40cm, 12x8in, 1920x1080.")
@click.option("--fill", is_flag=True, help="Fill --size exactly: what does not fit is cut off.")
@click.option(
    "--width", type=click.IntRange(1, 1 << 20), metavar="PX", help="Width of the picture, film or time lapse, px."
)
@click.option(
    "--scale", type=click.FloatRange(min=0, min_open=True, max=MAX_SCALE), help="Times the size of the recipe."
)
@click.option("--dpi", type=click.FloatRange(min=1, max=1e5), help="Print resolution, px per inch.  [default: 300]")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Duration of a time lapse, s.")
@click.option("--frame", type=click.IntRange(min=1), metavar="N", help="Frame N of a film, as a picture.")
@click.option("--window", metavar="X,Y,WIDTH,HEIGHT", help="Export a part of the picture, in px of the recipe.")
@click.option("--renderer", help="Another renderer than the run's: mypaint, gan, …")
@click.option("--brush", help="Another brush than the run's.")
@click.option("--background", metavar="RRGGBB", help="Another background than the run's, as in HTML: ff8800")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the format: bits=16, quality=90"
)
@click.option("--device", help="auto, cpu, cuda, cuda:1 or mps.", default="auto")
@executor_options(None, "windows")
def export(
    run: Path,
    files: tuple[Path, ...],
    size: str | None,
    fill: bool,
    width: int | None,
    scale: float | None,
    dpi: float | None,
    seconds: float | None,
    frame: int | None,
    window: str | None,
    renderer: str | None,
    brush: str | None,
    background: str | None,
    settings: tuple[str, ...],
    device: str,
    executor: str | None,
    executor_settings: tuple[str, ...],
    workers: int | None,
) -> None:
    """Write the picture of a run to files.

    RUN is the folder of a run. The extensions of the files choose their formats. Without --size, --width or --scale the
    picture is as large as the run's painting.png. A film is written to .mp4, .webm, .gif and .webp; other formats get
    its last frame, or that of --frame. With --executor, windows of a large picture are rendered in parallel.
    """
    if len([option for option in (size, width, scale) if option is not None]) > 1:
        raise UsageError("--size, --width and --scale all set the size; leave one of them")
    if fill and not size:
        raise UsageError("--fill needs a size to fill", hint="add --size, such as --size 30x40cm")
    from artkit.output.export import exporters, open_painting, write_painting

    settings = (*settings, f"seconds={seconds}") if seconds else settings
    exporters(files, settings)
    painting = open_painting(run, 1.0, renderer, brush, device, _parse_colour(background), _parse_window(window), frame)
    goal = _export_size(run, painting, size, fill, width, scale, dpi)
    painting = replace(painting, scale=goal.scale)
    if goal.crop:
        painting = _cropped(painting, goal.crop)
    if not all(length > 0 for length in painting.size):
        raise UsageError(f"at scale {goal.scale:g} the picture has no pixels", hint="choose a larger size")
    if goal.note:
        click.echo(f"note: {goal.note}", err=True)
    chosen = exporters(files, settings, export_defaults(goal, painting.size, bool(size or width)))
    options = {"run": str(run.absolute()), "renderer": renderer, "brush": brush, "device": device, "frame": frame}
    with _executed(painting, options, background, files, executor, executor_settings, workers) as rendered:
        for exporter, file in zip(chosen, files, strict=True):
            write_painting(rendered, exporter, file)
            click.echo(str(file))


@contextmanager
def _executed(
    painting: RenderedPainting,
    options: dict[str, Any],
    background: str | None,
    files: tuple[Path, ...],
    executor: str | None,
    executor_settings: tuple[str, ...],
    workers: int | None,
) -> Iterator[RenderedPainting]:
    """Yield the painting, rendered by an executor if one is named; options: of `open_painting`."""
    if executor is None:
        check_no_executor(executor_settings, workers)
        yield painting
        return
    from artkit.output.parallel_rendering import with_executor

    with build_executor(executor, executor_settings, workers) as built:
        options = {**options, "background": _parse_colour(background)}
        yield with_executor(painting, built, options, files[0].absolute().parent)


def _cropped(painting: RenderedPainting, crop: tuple[float, float]) -> RenderedPainting:
    """Return the middle of a painting or of its region; crop: width and height, px."""
    from artkit.geometry.window import Region

    shown = painting.region or Region(0, 0, *painting.log.size)
    region = Region(shown.x, shown.y, shown.width, shown.height)
    width, height = (min(round(length), whole) for length, whole in zip(crop, painting.size, strict=True))
    return replace(painting, region=region.centred_part((width, height), painting.scale))


def _export_size(
    run: Path,
    painting: RenderedPainting,
    size: str | None,
    fill: bool,
    width: int | None,
    scale: float | None,
    dpi: float | None,
) -> ExportSize:
    from artkit.output.finished_picture import possible_scale

    if size:
        goal = size_from_text(size, painting.size, dpi, fill)
        return goal.at_scale(possible_scale(painting, goal.scale)) if goal.dpi else goal
    if width:
        return size_from_width(width, painting.size, dpi)
    if scale is not None and math.isnan(scale):
        raise UsageError("--scale nan is not a number")
    left = size_of_run(run, painting.log.size)
    if scale is None:  # the renderer may be another one than that of the run
        return ExportSize(possible_scale(painting, left.scale), dpi or left.dpi)
    return ExportSize(scale, dpi or left.dpi)


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
