"""The command line. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from artkit.errors import ArtkitError, UsageError
from artkit.registry.plugin_registry import KIND_HOOKS, get_registry
from artkit.registry.scaffold import new_plugin
from artkit.version import __version__

if TYPE_CHECKING:
    from artkit.engine.run import Run
    from artkit.geometry.window import Window


class _Cli(click.Group):
    """Reports what a user can mend as one message, and lets plugins add commands."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ArtkitError as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            else:
                click.echo(f"artkit: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("artkit: stopped", err=True)
            ctx.exit(1)
        except BrokenPipeError:
            ctx.exit(1)
        except (MemoryError, RuntimeError) as error:
            told = isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error)
            if not told or ctx.params.get("debug"):
                _blame(error)
                raise
            click.echo("artkit: not enough memory\n  choose a smaller size, or fewer strokes", err=True)
            ctx.exit(1)
        except Exception as error:
            _blame(error)
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._ask()
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        self._ask()
        return super().get_command(ctx, cmd_name)

    _asked = False

    def _ask(self) -> None:
        """Plugins add their commands once, when commands are first looked for; none may replace one of artkit's."""
        if self._asked:
            return
        self._asked = True
        mine = dict(self.commands)
        for _ in get_registry().call_each("artkit_commands", cli=self):
            self.commands.update(mine)


def _blame(error: Exception) -> None:
    """Let the traceback of a bug end with the package whose it is, if it is another's."""
    if culprit := get_registry().responsible_package(error):
        error.add_note(f"artkit: this was raised in the plugin of the package {culprit}; tell its author")


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__, prog_name="artkit")
def cli(debug: bool) -> None:
    """Paint pictures stroke by stroke, with the brushes of MyPaint, until a neural network sees in them what you asked
    for.
    """


def main() -> None:
    """The ``artkit`` command."""
    cli()


# --------------------------------------------------------------------------------------------------------------- run
@cli.command()
@click.argument("recipes", nargs=-1, type=click.Path(path_type=Path), metavar="RECIPE...")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run. Default: runs/ and the recipe's name.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A line of TOML over the recipe: steps=300")
@click.option("--resume", is_flag=True, help="Go on with the run in the folder, if it has begun.")
@click.option("--device", help="auto, cpu, cuda or mps; over the recipe's.")
def run(
    recipes: tuple[Path, ...], out: Path | None, settings: tuple[str, ...], resume: bool, device: str | None
) -> None:
    """Paint, or train weights, as recipes say. Later recipes and settings win."""
    from artkit.recipes.reading import read_recipe
    from artkit.recipes.shipped import find_recipe

    told = read_recipe([find_recipe(r) for r in recipes], settings)
    from artkit.api import create_run

    made = create_run(told, out, resume, device)
    for note in made.task.notes:
        click.echo(f"note: {note}", err=True)
    if forecast := made.task.forecast():
        click.echo(f"expected: {forecast}", err=True)
    with _progress(made):
        made.execute()
    for file in made.outputs:
        click.echo(str(file))


@contextmanager
def _progress(made: Run) -> Iterator[None]:
    """A bar with loss and time left on a terminal, plain lines elsewhere."""
    total = made.task.steps
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.fields[loss]}"), console=Console(stderr=True)) as bar:
            task = bar.add_task(made.recipe.name, total=total, loss="")

            def show(step: int, losses: dict[str, float]) -> None:
                bar.update(task, completed=step, loss=_told(losses))

            made.progress = show
            yield
        return
    began = time.monotonic()
    last = began

    def tell(step: int, losses: dict[str, float]) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 5 or step == total:
            last = now
            left = (now - began) / (step - made.first_step) * (total - step)
            click.echo(f"step {step}/{total}  {_told(losses)}  {left:.0f} s left", err=True)

    made.progress = tell
    yield


def _told(losses: dict[str, float]) -> str:
    names = [name for name in losses if name == "loss"] or list(losses)
    return "  ".join(f"{name} {losses[name]:.4g}" for name in names[:3])


# ------------------------------------------------------------------------------------------------------------ export
@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--scale", type=click.FloatRange(min=0, min_open=True, max=1024), default=1.0, help="Times as large.")
@click.option(
    "--window", metavar="X,Y,WIDTH,HEIGHT", help="A part of the picture alone, in px of the recipe's picture."
)
@click.option("--renderer", help="Another renderer than the run's: mypaint, gan, …")
@click.option("--brush", help="Another brush than the run's.")
@click.option("--background", metavar="RRGGBB", help="Another ground than the run's, as in HTML: ff8800")
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
    """Write the picture of a run's folder to files; their extensions choose the formats."""
    if math.isnan(scale):
        raise UsageError("--scale nan is no number")
    from artkit.files import staged
    from artkit.output.export import exporters, open_painting

    chosen = exporters(files, settings)
    painting = open_painting(run, scale, renderer, brush, device, _colour(background), _window(window))
    if not all(length > 0 for length in painting.size):
        raise UsageError(f"at scale {scale:g} the picture has no pixels", hint="choose a larger --scale")
    for exporter, file in zip(chosen, files, strict=True):
        with staged(file) as temporary:
            exporter.write(replace(painting, folder=file.parent), temporary)
        click.echo(str(file))


def _colour(told: str | None) -> tuple[float, float, float] | None:
    if told is None:
        return None
    digits = told.removeprefix("#")
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise UsageError(f"--background {told} is no colour", hint="write six digits, such as ff8800") from None
    return red / 255, green / 255, blue / 255


def _window(told: str | None) -> Window | None:
    if told is None:
        return None
    from artkit.geometry.window import Window

    try:
        x, y, width, height = (int(number) for number in told.split(","))
    except ValueError:
        raise UsageError(
            f"--window {told} is no rectangle", hint="write X,Y,WIDTH,HEIGHT in px: 100,50,64,64"
        ) from None
    return Window(x, y, width, height)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PICTURE...")
@click.option("--scale", type=click.FloatRange(min=0, min_open=True, max=64), default=2.0, show_default=True)
@click.option("--renderer", default="mypaint", show_default=True, help="What paints the strokes.")
@click.option("--brush", help="Another brush than the renderer's usual one.")
def examples(file: Path, files: tuple[Path, ...], scale: float, renderer: str, brush: str | None) -> None:
    """Draw the strokes of a FILE of examples, to see whether they are right; PICTURES as of `artkit export`."""
    from artkit.api import scene
    from artkit.files import staged
    from artkit.output.export import exporters
    from artkit.rendering.rendered_painting import RenderedPainting
    from artkit.strokes.stroke_examples import examples_to_log, read_examples

    told, chosen = read_examples(file), exporters(files)
    made = scene(device="cpu")
    settings = {"type": renderer, **({"brush": brush} if brush else {})}
    painter = made.make("renderer", renderer, **{key: value for key, value in settings.items() if key != "type"})
    painting = RenderedPainting(examples_to_log(told, painter.space, settings), painter, scale, {"Software": "artkit"})
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    for exporter, goal in zip(chosen, files, strict=True):
        with staged(goal) as temporary:
            exporter.write(replace(painting, folder=goal.parent), temporary)
        click.echo(str(goal))


# ------------------------------------------------------------------------------------------------------------- lists
@cli.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_plugins(as_json: bool) -> None:
    """The parts that are installed, their packages, and plugins set aside with the reason."""
    registry = get_registry()
    found = [part for kind in KIND_HOOKS for part in registry.components(kind).values()]
    if as_json:
        parts = [
            {"kind": f.kind, "name": f.component.name, "package": f.package, "summary": _summary(f.component)}
            for f in found
        ]
        aside = [{"plugin": s.plugin, "package": s.package, "reason": s.reason} for s in registry.disabled]
        click.echo(json.dumps({"parts": parts, "set_aside": aside}, indent=1))
        return
    for kind in KIND_HOOKS:
        click.echo(f"{kind}:")
        for f in found:
            if f.kind == kind:
                click.echo(f"  {f.component.name:<18} {f.package:<16} {_summary(f.component)}")
    for s in registry.disabled:
        click.echo(f"set aside: {s.plugin} ({s.package}): {s.reason}")


def _summary(part: type[Any]) -> str:
    return (part.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").replace("    ", "")


@cli.command("recipes")
@click.option("--copy", metavar="NAME", help="Copy a recipe, and the images it names, into the current folder.")
def list_recipes(copy: str | None) -> None:
    """The recipes that ship with artkit."""
    import tomllib

    from artkit.recipes.shipped import recipe_folder, shipped_recipes

    shipped = {name: file.resolve() for name, file in shipped_recipes().items()}
    if copy is None:
        for name, file in shipped.items():
            first = file.read_text(encoding="utf-8").lstrip().splitlines()
            about = next((line.lstrip("# ") for line in first if line.startswith("# ")), "")
            click.echo(f"{name:<20} {about}")
        return
    if copy not in shipped:
        raise UsageError(f'there is no recipe "{copy}"', hint=f"there are: {', '.join(shipped)}")
    source = shipped[copy]
    named = _named_files(tomllib.loads(source.read_text(encoding="utf-8")), source.parent)
    # What a recipe names beside its folder keeps its place beside it.
    inside = all(path.is_relative_to(source.parent) for path in named)
    base = source.parent if inside else recipe_folder().resolve()
    here = source.relative_to(base)
    goals = {here: source} | {path.relative_to(base): path for path in named}
    for goal, path in goals.items():
        if goal.exists() and (goal == here or goal.read_bytes() != path.read_bytes()):
            raise UsageError(f"{goal} is already here", hint="move it away first")
    from artkit.files import atomic

    for goal, path in reversed(goals.items()):
        with atomic(goal) as temporary:
            shutil.copyfile(path, temporary)
    for goal in goals:
        click.echo(str(goal))


def _named_files(value: Any, folder: Path) -> list[Path]:
    """The files below a recipe's folder that it names."""
    if isinstance(value, dict):
        return [file for inner in value.values() for file in _named_files(inner, folder)]
    if isinstance(value, str) and "." in value and (folder / value).is_file():
        return [(folder / value).resolve()]
    return []


cli.add_command(new_plugin)


@cli.command("schema")
def print_schema() -> None:
    """JSON Schema of a recipe with all installed plugins, for completion in editors."""
    from artkit.recipes.schema import recipe_schema

    click.echo(json.dumps(recipe_schema(), indent=1))


@cli.command()
def doctor() -> None:
    """What is there and what is missing, and the command that mends it."""
    import platform

    click.echo(f"{'artkit':<26} {__version__}, Python {platform.python_version()}")
    try:
        import torch

        click.echo(f"{'torch':<26} {torch.__version__}, {torch.get_num_threads()} threads")
        gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none: pictures are painted on the CPU"
        click.echo(f"{'GPU':<26} {gpu}")
    except (ImportError, OSError) as error:
        click.echo(f"{'torch':<26} missing ({error})\n{'':<26}   pip install torch")
    for _, found in get_registry().call_each("artkit_doctor"):
        for what, there, remedy in found or ():
            click.echo(f"{what:<26} {there or 'missing'}")
            if not there:
                click.echo(f"{'':<26}   {remedy}")
    for s in get_registry().disabled:
        click.echo(f"{'plugin ' + s.plugin:<26} set aside: {s.reason}")
