"""Writes the generated parts of the documentation: run ``python docs/generate.py`` after a setting has changed.

Each of them stands between two markers, ``<!-- generated: NAME -->`` and ``<!-- end of NAME -->``.
"""

from __future__ import annotations

import copy
import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from artkit.cli.main import cli
from artkit.recipes.recipe import DEFAULT_TYPES, OptimizerConfig, RunSettings
from artkit.registry.plugin_registry import KIND_HOOKS, get_registry

DOCS = Path(__file__).parent
PACKAGE = "neural-artkit"
OWN = [entry.value for entry in metadata.entry_points(group="artkit") if entry.dist and entry.dist.name == PACKAGE]
"""The modules of the plugins that come with artkit."""

INTRODUCTIONS = {
    "renderer": "The table `[renderer]`: what does an action look like?",
    "canvas": "The table `[canvas]`: where do strokes lie, and how does paint build up?",
    "agent": "The table `[agent]`: which actions?",
    "constraint": "Tables `[constraint.NAME]`: which actions are allowed? They apply in the order of the recipe.",
    "objective": "Tables `[objective.NAME]`: how good is the picture? The loss is the sum of values times weights.",
    "data": "The table `[data]`: what is there to learn from?",
    "exporter": "No table: `artkit export` chooses by the extensions of its files, and has `--set KEY=VALUE`.",
    "trainer": "The table `[trainer]`: where do a renderer's weights come from?",
}


def keys() -> str:
    """The top-level keys of a recipe."""
    rows = _rows(RunSettings.model_json_schema(), leave_out=("optimizer",))
    return "\n".join(
        [
            _table("key", rows),
            "",
            "The table `[optimizer]`:",
            "",
            _table("key", _rows(OptimizerConfig.model_json_schema())),
        ]
    )


def parts() -> str:
    """A reference of all parts that come with artkit, by kind."""
    lines: list[str] = []
    for kind in KIND_HOOKS:
        found = [f for f in get_registry().components(kind).values() if f.package == PACKAGE]
        lines += [f"### {kind.capitalize()}", "", INTRODUCTIONS[kind], ""]
        for part in sorted((f.component for f in found), key=lambda part: str(part.name)):
            default = " (the default)" if DEFAULT_TYPES.get(kind) == part.name else ""
            lines += [f"#### {kind} `{part.name}`{default}", "", _about(part), ""]
            if kind == "exporter":
                lines += [f"Extensions: {', '.join(f'`{suffix}`' for suffix in part.suffixes)}.", ""]
            rows = _rows(part.Config.model_json_schema())
            lines += [_table("setting", rows) if rows else "It has no settings.", ""]
    return "\n".join(lines).rstrip()


def actions() -> str:
    """The numbers of the action spaces of the renderers."""
    spaces: dict[str, tuple[Any, list[str]]] = {}
    for found in get_registry().components("renderer").values():
        if found.package == PACKAGE:
            spaces.setdefault(found.component.space.name, (found.component.space, []))[1].append(found.component.name)
    lines: list[str] = []
    for name, (space, renderers) in spaces.items():
        lines += [f"`{name}`, of {_list(f'`{renderer}`' for renderer in sorted(renderers))}:", ""]
        if len(space) > 100:
            first, last = space.dimensions[0], space.dimensions[-1]
            lines += [f"{len(space)} numbers, `{first.name}` to `{last.name}`, for the whole picture.", ""]
            continue
        lines += ["| # | number | 0 means | 1 means | unit |", "|---|---|---|---|---|"]
        for place, number in enumerate(space.dimensions):
            lines.append(f"| {place} | `{number.name}` | {number.low:g} | {number.high:g} | {number.unit or '-'} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def commands() -> str:
    """The help of every command that comes with artkit."""
    lines: list[str] = []
    # As when the command line is read, with the group's settings.
    with cli.make_context("artkit", ["doctor"], max_content_width=100, terminal_width=100) as whole:
        for name in cli.list_commands(whole):
            command = cli.get_command(whole, name)
            module = inspect.getmodule(command.callback) if command else None
            if not (command and module and module.__name__.split(".")[0] in ("artkit", *OWN)):
                continue
            command = copy.copy(command)
            command._help_option = None  # click remembers it from the first use, which may have had other settings
            context = click.Context(command, whole, name, max_content_width=100, terminal_width=100)
            lines += [f"## artkit {name}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(lines).rstrip()


GENERATED = {
    "commands.md": {"commands": commands},
    "recipes.md": {"keys": keys, "parts": parts},
    "conventions.md": {"actions": actions},
}


def pages() -> dict[Path, str]:
    """What the pages with generated parts should say."""
    return {DOCS / page: _renewed((DOCS / page).read_text(encoding="utf-8"), made) for page, made in GENERATED.items()}


def _renewed(text: str, made: Mapping[str, Any]) -> str:
    for name, make in made.items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise SystemExit(f"the markers {begin} and {end} are missing")
        text = f"{before}{begin}\n\n{make()}\n\n{end}{after}"
    return text


def _about(part: type[Any]) -> str:
    """What the file of a part says at its head, and what its class says."""
    told = [sys.modules[part.__module__].__doc__ or "", part.__doc__ or ""]
    paragraphs = [re.sub(r"\s*\n\s*", " ", p.strip()) for text in told for p in text.split("\n\n")]
    plain = [re.sub(r"^``type = \"[^`]*``: |^``\.\w+``: ", "", p).replace("``", "`") for p in paragraphs]
    return "\n\n".join(p[0].upper() + p[1:] for p in dict.fromkeys(plain) if p)


def _rows(schema: Mapping[str, Any], leave_out: Iterable[str] = ()) -> list[tuple[str, str, str, str]]:
    """Name, kind of value, default and description of each setting of a Config's JSON Schema."""
    required = schema.get("required", ())
    return [
        (
            f"`{name}`",
            _kind(told),
            "**needed**" if name in required else _toml(told.get("default")),
            re.sub(r"\s*\n\s*", " ", told.get("description", "")),
        )
        for name, told in schema.get("properties", {}).items()
        if name not in leave_out
    ]


def _table(first: str, rows: list[tuple[str, str, str, str]]) -> str:
    lines = [f"| {first} | value | default | |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def _toml(value: Any) -> str:
    return "-" if value is None else f"`{json.dumps(value)}`"


def _kind(told: Mapping[str, Any]) -> str:
    """In words, what values a JSON Schema allows."""
    if "anyOf" in told:
        return " or ".join(_kind(choice) for choice in told["anyOf"] if choice.get("type") != "null")
    if "enum" in told:
        return ", ".join(f"`{json.dumps(choice)}`" for choice in told["enum"])
    if "const" in told:
        return f"`{json.dumps(told['const'])}`"
    kind = told.get("type")
    if kind in ("integer", "number"):
        return ("whole number" if kind == "integer" else "number") + _range(told)
    if kind == "string":
        formats = {"path": "file", "file-path": "file", "file-or-folder": "file or folder"}
        return formats.get(told.get("format", ""), "text")
    if kind == "boolean":
        return "`true`, `false`"
    if kind == "array":
        if "prefixItems" in told:
            inner = [_kind(item) for item in told["prefixItems"]]
            return f"list of {len(inner)}: {inner[0]}" if len(set(inner)) == 1 else f"list of {_list(inner)}"
        least, most = told.get("minItems", 0), told.get("maxItems")
        many = f"{least} to {most}" if most else f"{least} or more"
        return f"list of {many}: {_kind(told['items'])}"
    if kind == "object":
        return f"table of {_kind(told['additionalProperties'])}"
    raise ValueError(f"the documentation has no words for {dict(told)}")


def _range(told: Mapping[str, Any]) -> str:
    bounds = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
    words = [f"{sign} {_number(told[key])}" for key, sign in bounds if key in told]
    return f" {' and '.join(words)}" if words else ""


def _number(value: float) -> str:
    powers = {2**n: f"2^{n}" for n in range(13, 65)}
    return powers.get(value, f"{value:g}")


def _list(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
