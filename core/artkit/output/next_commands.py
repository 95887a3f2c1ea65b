"""Commands that go on from a finished painting."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

from artkit.errors import UsageError
from artkit.files import read_text
from artkit.output.export import exporters
from artkit.recipes.recipe import RECIPE_FILE
from artkit.strokes.film_log import FILM_FILE
from artkit.strokes.stroke_log import STROKES_FILE

_PRINT_CM = (30, 40)
_MAX_ENLARGED_SIDE = 3000  # px; larger pictures are prints already


def next_commands(folder: Path) -> list[tuple[str, str]]:
    """Return what can be done with the finished painting in a run's folder: purpose and command.

    The list is empty for a run that has trained weights.
    """
    if not (folder / STROKES_FILE).exists():
        return []
    recipe = tomllib.loads(read_text(folder / RECIPE_FILE))
    (width, height), steps = recipe["size"], recipe["steps"]
    run = shlex.quote(str(folder))
    commands = []
    if (folder / FILM_FILE).exists():
        return [
            ("larger", f"artkit export {run} film.mp4 --scale 4"),
            ("a loop", f"artkit export {run} loop.gif"),
            ("the first frame", f"artkit export {run} still.png --frame 1"),
        ]
    if max(width, height) <= _MAX_ENLARGED_SIDE:
        short, long = _PRINT_CM
        size = f"{long if width > height else short}x{long if height > width else short}cm"
        commands.append(("a print", f"artkit export {run} print.jpg --size {size} --dpi 300"))
    if _can_write_films():
        commands.append(("a time lapse", f"artkit export {run} timelapse.mp4 --seconds 20"))
    if steps and "changes" not in recipe:
        again = f"artkit run {shlex.quote(str(folder / RECIPE_FILE))} --out {run} --resume --steps {2 * steps}"
        commands.append(("more steps", again))
    return commands


def _can_write_films() -> bool:
    try:
        exporters([Path("film.mp4")])
    except UsageError:  # the library is not installed
        return False
    return True
