"""``artkit run``: paint a picture or train weights."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from artkit.engine.run import Run

_PROGRESS_INTERVAL_SECONDS = 5.0
"""Time between two lines of progress, where the output is no terminal."""


@click.command()
@click.argument("recipes", nargs=-1, type=click.Path(path_type=Path), metavar="RECIPE...")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run. Default: runs/ and the recipe's name.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A line of TOML that overrides the recipe: steps=300"
)
@click.option("--resume", is_flag=True, help="Continue the run in the folder, if there is one.")
@click.option("--device", help="auto, cpu, cuda or mps; overrides the recipe.")
def run(
    recipes: tuple[Path, ...], out: Path | None, settings: tuple[str, ...], resume: bool, device: str | None
) -> None:
    """Paint a picture, or train weights.

    Later recipes override earlier ones, and settings override recipes.
    """
    from artkit.recipes.reading import read_recipe
    from artkit.recipes.shipped import find_recipe

    recipe = read_recipe([find_recipe(r) for r in recipes], settings)
    from artkit.api import create_run  # imports torch; not needed to report an error in the recipe

    created = create_run(recipe, out, resume, device)
    shown = _print_notes(created, 0)
    if forecast := created.task.forecast():
        click.echo(f"expected: {forecast}", err=True)
    with _show_progress(created):
        created.execute()
    _print_notes(created, shown)  # of images that were read during the run
    for file in created.outputs:
        click.echo(str(file))


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
            bar.update(task, completed=step, loss=_format_losses(losses))

        run.progress = update
        yield


def _print_progress(run: Run) -> None:
    total = run.task.steps
    start = last = time.monotonic()

    def print_line(step: int, losses: dict[str, float]) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _PROGRESS_INTERVAL_SECONDS or step == total:
            last = now
            left = (now - start) / (step - run.first_step) * (total - step)
            click.echo(f"step {step}/{total}  {_format_losses(losses)}  {left:.0f} s left", err=True)

    run.progress = print_line


def _format_losses(losses: dict[str, float]) -> str:
    """Return the loss or, in a training that has none of that name, the first three losses."""
    names = ["loss"] if "loss" in losses else list(losses)
    return "  ".join(f"{name} {losses[name]:.4g}" for name in names[:3])
