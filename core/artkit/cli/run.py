"""``artkit run``: paint a picture or train weights."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from artkit.cli.executor_options import build_executor, check_no_executor, executor_options
from artkit.errors import UsageError
from artkit.recipes.run_times import record_run_seconds

if TYPE_CHECKING:
    from artkit.engine.run import Run
    from artkit.recipes.recipe import Tree

_PROGRESS_INTERVAL_SECONDS = 5.0
"""Time between two lines of progress, where the output is no terminal."""


@click.command()
@click.argument("arguments", nargs=-1, type=click.Path(path_type=Path), metavar="[RECIPE]... [PICTURE]")
@click.option("--size", metavar="PX", help="Size at which strokes are optimised: longer side, 352, or 352x240.")
@click.option("--brush", help="The brush: charcoal, dry_brush, deevad/liner, … (`artkit brushes`).")
@click.option("--steps", type=int, help="The number of steps.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any other setting: seed=3, canvas.tile=48")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run. Default: runs/ and the recipe's name.")
@click.option("--resume", is_flag=True, help="Continue the run in the folder, if there is one.")
@click.option("--device", help="auto, cpu, cuda, cuda:1 or mps; overrides the recipe.")
@click.option("--watch", is_flag=True, help="Open the page of `artkit studio` on this run.")
@executor_options(None, "windows")
def run(
    arguments: tuple[Path, ...],
    size: str | None,
    brush: str | None,
    steps: int | None,
    settings: tuple[str, ...],
    out: Path | None,
    resume: bool,
    device: str | None,
    watch: bool,
    executor: str | None,
    executor_settings: tuple[str, ...],
    workers: int | None,
) -> None:
    """Paint a picture or a film, or train weights.

    PICTURE is an image file to paint instead of the recipe's own; without a RECIPE, `photo` paints it. A video or a
    folder of frames is painted by `film`. Later recipes override earlier ones, and options override recipes. With
    --executor, windows of a large picture are optimised in parallel.
    """
    from artkit.recipes.reading import read_recipe
    from artkit.recipes.shipped import find_recipe

    recipes, picture = _recipes_and_picture(arguments)
    options = _common_settings(size, brush, steps)
    recipe = read_recipe([find_recipe(r) for r in recipes], [*options, *settings], picture)
    from artkit.api import create_run  # imports torch; not needed to report an error in the recipe

    created = create_run(recipe, out, resume, device)
    shown = _print_notes(created, 0)
    if forecast := created.task.forecast():
        click.echo(f"expected: {forecast}", err=True)
    click.echo(f"writes {', '.join(created.task.output_names())} and report.html into {created.folder}", err=True)
    if watch:
        _open_page(created)
    started = time.monotonic()
    with _executed(created, executor, executor_settings, workers), _show_progress(created):
        created.execute()
    if len(recipes) == 1 and not (options or settings or created.first_step or device):
        record_run_seconds(recipes[0].as_posix(), time.monotonic() - started)
    _print_notes(created, shown)  # of images that were read during the run
    for file in created.outputs:
        click.echo(str(file))
    _print_next_commands(created)


def _open_page(run: Run) -> None:
    import webbrowser

    from artkit.studio.notebook import open_studio

    address, _ = open_studio(run.folder)
    click.echo(f"watch it: {address}", err=True)
    webbrowser.open(address)


@contextmanager
def _executed(run: Run, executor: str | None, settings: tuple[str, ...], workers: int | None) -> Iterator[None]:
    """Let an executor compute the windows of a run, if one is named. Raises UsageError if they cannot be divided."""
    if executor is None:
        check_no_executor(settings, workers)
        yield
        return
    from artkit.engine.painting_task import PaintingTask
    from artkit.engine.parallel_windows import ParallelWindows

    if not isinstance(run.task, PaintingTask):
        raise UsageError(
            "an executor divides the windows of one picture among workers, and this recipe has none",
            hint="leave it out",
        )
    # With another number of threads torch adds numbers in another order, and the bytes of a run must not depend on it.
    with build_executor(executor, settings, workers, {"threads": 1}) as built:
        run.task.parallel = ParallelWindows(run.task, built)
        yield


def _recipes_and_picture(arguments: Sequence[Path]) -> tuple[list[Path], Path | None]:
    """Divide the arguments into recipes and a picture. Raises UsageError for several pictures or a missing one."""
    from artkit.recipes.picture import recipes_and_pictures

    recipes, pictures = recipes_and_pictures(arguments)
    if len(pictures) > 1:
        raise UsageError(f"a run paints one picture, and these are {len(pictures)}: {', '.join(map(str, pictures))}")
    if pictures and not pictures[0].exists():
        raise UsageError(f"there is no picture {pictures[0]}")
    return recipes, pictures[0] if pictures else None


def _common_settings(size: str | None, brush: str | None, steps: int | None) -> list[Tree]:
    """Return the settings of a recipe that the options stand for."""
    settings: list[Tree] = []
    if size:
        match = re.fullmatch(r"(\d+)(?:\s*[x×]\s*(\d+))?(?:\s*px)?", size.strip().lower())
        if not match:
            raise UsageError(
                f"--size {size} is not a size in px",
                hint="write the longer side, 352, or 352x240; for a print, `artkit export` takes --size 30x40cm",
            )
        settings.append({"size": [int(match[1]), int(match[2])] if match[2] else int(match[1])})
    if brush:
        settings.append({"renderer": {"brush": brush}})
    if steps is not None:
        settings.append({"steps": steps})
    return settings


def _print_next_commands(run: Run) -> None:
    from artkit.output.next_commands import next_commands

    if commands := next_commands(run.folder):
        click.echo("next:", err=True)
        for purpose, command in commands:
            click.echo(f"  {command}  # {purpose}", err=True)


def _print_notes(run: Run, start: int) -> int:
    """Print the notes of a run from an index on; return their number."""
    for note in run.task.notes[start:]:
        click.echo(f"note: {note}", err=True)
    return len(run.task.notes)


@contextmanager
def _show_progress(run: Run) -> Iterator[None]:
    """Show a progress bar on a terminal, and lines of text elsewhere."""
    if sys.stderr.isatty():
        with _progress_bar(run):
            yield
    else:
        _print_progress(run)
        yield


@contextmanager
def _progress_bar(run: Run) -> Iterator[None]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[loss]}"), console=Console(stderr=True)) as bar:
        task = bar.add_task(run.recipe.name, total=run.task.steps, loss="")

        def update(step: int, losses: dict[str, float]) -> None:
            bar.update(task, completed=step, total=run.task.steps, loss=_format_losses(losses))

        run.progress = update
        yield


def _print_progress(run: Run) -> None:
    start = last = time.monotonic()

    def print_line(step: int, losses: dict[str, float]) -> None:
        nonlocal last
        now, total = time.monotonic(), run.task.steps  # there are more if windows become smaller
        if now - last > _PROGRESS_INTERVAL_SECONDS or step == total:
            last = now
            left = (now - start) / (step - run.first_step) * (total - step)
            click.echo(f"{run.task.unit} {step}/{total}  {_format_losses(losses)}  {left:.0f} s left", err=True)

    run.progress = print_line


def _format_losses(losses: dict[str, float]) -> str:
    """Return the loss or, in a training that has none of that name, the first three losses."""
    names = ["loss"] if "loss" in losses else list(losses)
    return "  ".join(f"{name} {losses[name]:.4g}" for name in names[:3])
