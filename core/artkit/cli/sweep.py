"""``artkit sweep``: many runs that differ in some settings."""

from __future__ import annotations

from pathlib import Path

import click

from artkit.cli.executor_options import build_executor, executor_options
from artkit.errors import ArtkitError

_MAX_LISTED = 5  # skipped files and failed runs that are named


@click.command()
@click.argument("arguments", nargs=-1, type=click.Path(path_type=Path), metavar="[RECIPE]... [PICTURE]...")
@click.option(
    "--over",
    multiple=True,
    metavar="KEY=V1,V2,...",
    help="Values of a setting, as in TOML, or files: a folder, a glob.",
)
@click.option("--seeds", type=click.IntRange(min=1), help="Number of seeds, from that of the recipe on.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of all runs: steps=300")
@executor_options("local", "runs")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the sweep. Default: sweeps/ and the recipe's name."
)
@click.option("--resume", is_flag=True, help="Do what is left of the sweep in the folder, if there is one.")
@click.option("--device", help="auto, cpu, cuda, cuda:1 or mps; overrides the recipe.")
def sweep(
    arguments: tuple[Path, ...],
    over: tuple[str, ...],
    seeds: int | None,
    settings: tuple[str, ...],
    executor: str,
    executor_settings: tuple[str, ...],
    workers: int | None,
    out: Path | None,
    resume: bool,
    device: str | None,
) -> None:
    """Paint many pictures that differ in some settings.

    There is a run for each combination of the pictures, the values of --over and the seeds, in a folder of its own. A
    PICTURE is an image file, or a folder of them, to paint instead of the recipe's own. Values may also be in a table
    [sweep] of a RECIPE, such as those of ablation/gradient. The folder of the sweep also has a table of the results,
    sweep.jsonl, and a contact sheet of the pictures, index.html.
    """
    from artkit.cli.sweep_progress import show_progress
    from artkit.recipes.picture import recipes_and_pictures
    from artkit.recipes.shipped import find_recipe
    from artkit.sweep.plan import plan_sweep

    recipes, pictures = recipes_and_pictures(arguments, folders=True)
    plan = plan_sweep([find_recipe(recipe) for recipe in recipes], settings, over, seeds, pictures)
    for file in plan.skipped[:_MAX_LISTED]:
        click.echo(f"note: {file} is not a picture; it is skipped", err=True)
    if len(plan.skipped) > _MAX_LISTED:
        click.echo(f"note: {len(plan.skipped) - _MAX_LISTED} more files are not pictures", err=True)
    from artkit.api import default_folder  # imports torch; not needed to report an error in the recipe
    from artkit.sweep.sweep import Sweep

    folder = out or default_folder(Path("sweeps"), plan.name, resume)
    with build_executor(executor, executor_settings, workers) as built, Sweep(folder, plan, resume, device) as started:
        built.workers = min(built.workers, len(started.runs_left) or 1)
        click.echo(f"expected: {started.forecast(built)}", err=True)
        show_progress(started, built)
    for file in started.files:
        click.echo(str(file))
    if failed := started.failed():
        listed = "".join(f"\n  {row['name']}: {row['error']}" for row in failed[:_MAX_LISTED])
        more = f"\n  and {len(failed) - _MAX_LISTED} more" if len(failed) > _MAX_LISTED else ""
        raise ArtkitError(f"{len(failed)} of {len(plan.runs)} runs failed:{listed}{more}")
