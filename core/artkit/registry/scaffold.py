"""``artkit new-plugin``: a small complete package with one part, from which to write one's own."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

import click

from artkit.errors import UsageError
from artkit.files import write_text
from artkit.registry.plugin_registry import KIND_HOOKS, get_registry
from artkit.version import __version__

TEMPLATES = Path(__file__).parent / "templates"

NEXT_COMMANDS = {
    "data": "artkit run FOLDER/newpart.toml",
    "exporter": "artkit run photo && artkit export runs/photo painting.newpart",
    "trainer": "artkit run FOLDER/newpart.toml",
}
"""What to do with a part of a kind, where it is not the usual."""

DEFAULT_NEXT_COMMAND = "artkit run photo FOLDER/newpart.toml"


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KIND_HOOKS)), required=True, help="What it brings.")
def new_plugin(name: str, kind: str) -> None:
    """Write a small complete package NAME with a part of a kind: a plugin to begin with."""
    folder = Path(name)
    part = _validate_name(folder.name.removeprefix("artkit-"), kind)
    if folder.exists():
        raise UsageError(f"{folder} is already here", hint="choose another name, or move it away")
    module = f"artkit_{part.replace('-', '_')}"
    files = {
        "pyproject.toml": TEMPLATES / "pyproject.toml",
        "README.md": TEMPLATES / "README.md",
        f"{module}/__init__.py": TEMPLATES / "init.py",
        f"{module}/{part.replace('-', '_')}.py": TEMPLATES / kind / "part.py",
        f"{part}.toml": TEMPLATES / kind / "recipe.toml",
        f"tests/test_{part.replace('-', '_')}.py": TEMPLATES / kind / "test_part.py",
    }
    words = {
        "NEXT": NEXT_COMMANDS.get(kind, DEFAULT_NEXT_COMMAND),
        "FOLDER": folder.as_posix(),
        "SINCE": min_version(),
        "BELOW": max_version(),
        "artkit_newkinds": KIND_HOOKS[kind],
        "newkind": kind,
        "newplugin.newpart": f"{module}.{part.replace('-', '_')}",
        "newplugin/newpart": f"{module}/{part.replace('-', '_')}",
        "newplugin": module,
        "newpart": part,
        "NewPart": "".join(word.capitalize() for word in part.split("-")),
    }
    for goal, source in files.items():
        if source.is_file():
            write_text(folder / goal, _fill_template(source.read_text(encoding="utf-8"), words))
            click.echo(str(folder / goal))
    click.echo(
        f"next:\n  pip install -e {folder}\n  {_fill_template(NEXT_COMMANDS.get(kind, DEFAULT_NEXT_COMMAND), words)}",
        err=True,
    )


def min_version() -> str:
    """The oldest artkit that a plugin which is written now fits: this minor version."""
    major, minor, *_ = __version__.split(".")
    return f"{major}.{minor}"


def max_version() -> str:
    """The artkit that a plugin which is written now may no longer fit: see docs/plugins.md, Versions."""
    major, minor, *_ = (int(number) for number in __version__.split(".")[:2])
    return f"{major + 1}" if major else f"0.{minor + 1}"


def _validate_name(part: str, kind: str) -> str:
    """The part's name. Raises UsageError if it cannot be one, or is taken."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", part) or keyword.iskeyword(part):
        raise UsageError(
            f'"{part}" cannot be the name of a part',
            hint="take lower-case letters and digits, words joined by hyphens, such as dry-leaves",
        )
    if found := get_registry().components(kind).get(part):
        raise UsageError(f'there is a {kind} "{part}" already, of {found.package}', hint="choose another name")
    return part


def _fill_template(text: str, words: dict[str, str]) -> str:
    for word, meant in words.items():
        text = text.replace(word, meant)
    return text
