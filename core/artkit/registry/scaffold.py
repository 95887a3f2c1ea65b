"""The files of a new plugin, from templates: what ``artkit new-plugin`` writes."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from artkit.errors import UsageError
from artkit.registry.plugin_registry import KIND_HOOKS, get_registry
from artkit.version import __version__

TEMPLATES = Path(__file__).parent / "templates"

_NEXT_COMMANDS = {
    "data": "artkit run FOLDER/newcomponent.toml",
    "exporter": "artkit run photo && artkit export runs/photo painting.newcomponent",
    "executor": "artkit sweep photo --seeds 2 --executor newcomponent",
    "trainer": "artkit run FOLDER/newcomponent.toml",
}
"""The command that uses a new component of a kind, if it is not the default."""

_DEFAULT_NEXT_COMMAND = "artkit run photo FOLDER/newcomponent.toml"


def new_plugin_files(folder: Path, kind: str) -> dict[Path, str]:
    """Return the files of a package in `folder` with one component of a kind: their paths and texts.

    The component has the folder's name, without a prefix ``artkit-``. Nothing is written. Raises UsageError if the name
    is not valid or already taken, or if the folder exists.
    """
    name = _component_name(folder)
    _validate_name(name, kind)
    if folder.exists():
        raise UsageError(f"{folder} is already here", hint="choose another name, or move it away")
    identifier = name.replace("-", "_")
    sources = {
        "pyproject.toml": TEMPLATES / "pyproject.toml",
        "README.md": TEMPLATES / "README.md",
        f"artkit_{identifier}/__init__.py": TEMPLATES / "init.py",
        f"artkit_{identifier}/{identifier}.py": TEMPLATES / kind / "component.py",
        f"{name}.toml": TEMPLATES / kind / "recipe.toml",
        f"tests/test_{identifier}.py": TEMPLATES / kind / "test_component.py",
    }
    return {
        folder / path: _fill_template(source.read_text(encoding="utf-8"), folder, kind)
        for path, source in sources.items()
        if source.is_file()  # not every kind has a recipe
    }


def next_command(folder: Path, kind: str) -> str:
    """Return the command that uses the component of a new plugin."""
    return _fill_template("NEXT_COMMAND", folder, kind)


def min_version() -> str:
    """Return the oldest artkit that a new plugin supports: the current minor version."""
    major, minor, *_ = __version__.split(".")
    return f"{major}.{minor}"


def max_version() -> str:
    """Return the first artkit that a new plugin may not support; see docs/plugins.md, Versions."""
    major, minor, *_ = (int(number) for number in __version__.split(".")[:2])
    return f"{major + 1}" if major else f"0.{minor + 1}"


def _component_name(folder: Path) -> str:
    return folder.name.removeprefix("artkit-")


def _validate_name(name: str, kind: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise UsageError(
            f'"{name}" cannot be the name of a component',
            hint="use lower-case letters and digits, words joined by hyphens, such as dry-leaves",
        )
    if existing := get_registry().components(kind).get(name):
        raise UsageError(
            f'there is already a {kind} "{name}", provided by {existing.package}', hint="choose another name"
        )


def _fill_template(text: str, folder: Path, kind: str) -> str:
    """Replace the placeholders in a text. The order matters: some replacements contain other placeholders."""
    name = _component_name(folder)
    identifier = name.replace("-", "_")
    replacements = {
        "NEXT_COMMAND": _NEXT_COMMANDS.get(kind, _DEFAULT_NEXT_COMMAND),
        "FOLDER": folder.as_posix(),
        "MIN_VERSION": min_version(),
        "MAX_VERSION": max_version(),
        "artkit_newkinds": KIND_HOOKS[kind],
        "newkind": kind,
        "newplugin.newcomponent": f"artkit_{identifier}.{identifier}",
        "newplugin/newcomponent": f"artkit_{identifier}/{identifier}",
        "newplugin": f"artkit_{identifier}",
        "newcomponent": name,
        "NewComponent": "".join(word.capitalize() for word in name.split("-")),
    }
    for placeholder, replacement in replacements.items():
        text = text.replace(placeholder, replacement)
    return text
