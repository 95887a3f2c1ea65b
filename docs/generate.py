"""Generate the reference sections of the documentation from the code.

Run ``python docs/generate.py`` after settings, docstrings or commands have changed. It replaces the text between the
markers ``<!-- generated: NAME -->`` and ``<!-- end of NAME -->`` of the pages in `GENERATED`.
"""

from __future__ import annotations

import copy
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import click

import artkit
from artkit.cli.main import cli
from artkit.formatting import format_duration
from artkit.recipes.optimizer_config import OptimizerConfig
from artkit.recipes.recipe import DEFAULT_TYPES, FilmConfig, OutputConfig, RunSettings
from artkit.registry.plugin_registry import KIND_HOOKS, get_registry
from artkit.reproduction.claims import Claim, all_claims

DOCS = Path(__file__).parent
PACKAGE = "neural-artkit"
OWN_PLUGINS = [
    entry.value for entry in metadata.entry_points(group="artkit") if entry.dist and entry.dist.name == PACKAGE
]
"""The modules of artkit's own plugins."""

INTRODUCTIONS = {
    "renderer": "Table `[renderer]`: how actions are rendered as strokes.",
    "canvas": "Table `[canvas]`: the layout of the strokes on the picture.",
    "agent": "Table `[agent]`: where the actions come from.",
    "constraint": "Tables `[constraint.NAME]`: which actions are allowed. They apply in the order of the recipe.",
    "objective": "Tables `[objective.NAME]`: how the picture is scored. The loss is the weighted sum of their values.",
    "data": "Table `[data]`: the images on which an agent is trained.",
    "exporter": "No table: `artkit export` selects it by the extension of the file; `--set KEY=VALUE` sets a setting.",
    "executor": "No table: `--executor` selects it for a command; `--executor-set KEY=VALUE` sets a setting.",
    "trainer": "Table `[trainer]`: how the weights of a neural painter are trained.",
}


def recipe_keys() -> str:
    """Return tables of the top-level keys of a recipe and of the settings of optimizer, output and film."""
    rows = _setting_rows(RunSettings.model_json_schema(), exclude=("optimizer", "output", "film"))
    return "\n".join(
        [
            _table("key", rows),
            "",
            "Table `[optimizer]`:",
            "",
            _table("key", _setting_rows(OptimizerConfig.model_json_schema())),
            "",
            "Table `[output]`:",
            "",
            _table("key", _setting_rows(OutputConfig.model_json_schema())),
            "",
            "Table `[film]`, for a [film](film.md) instead of a picture:",
            "",
            _table("key", _setting_rows(FilmConfig.model_json_schema())),
        ]
    )


def component_reference() -> str:
    """Return a reference of all components of artkit and their settings, by kind."""
    lines: list[str] = []
    for kind in KIND_HOOKS:
        registered = get_registry().components(kind).values()
        components = [entry.component for entry in registered if entry.package == PACKAGE]
        lines += [f"### {kind.capitalize()}", "", INTRODUCTIONS[kind], ""]
        shared = _setting_rows(getattr(artkit, kind.capitalize()).Config.model_json_schema())
        if shared:
            lines += ["Settings that each of them has:", "", _table("setting", shared), ""]
        for component in sorted(components, key=lambda component: str(component.name)):
            default = " (the default)" if DEFAULT_TYPES.get(kind) == component.name else ""
            lines += [f"#### {kind} `{component.name}`{default}", "", _description(component), ""]
            if kind == "exporter":
                lines += [f"Extensions: {', '.join(f'`{suffix}`' for suffix in component.suffixes)}.", ""]
            rows = [row for row in _setting_rows(component.Config.model_json_schema()) if row not in shared]
            lines += [_table("setting", rows) if rows else f"No {'other ' * bool(shared)}settings.", ""]
    return "\n".join(lines).rstrip()


def action_spaces() -> str:
    """Return tables of the dimensions of the renderers' action spaces."""
    spaces: dict[str, tuple[Any, list[str]]] = {}
    for entry in get_registry().components("renderer").values():
        if entry.package == PACKAGE:
            renderer = entry.component
            spaces.setdefault(renderer.space.name, (renderer.space, []))[1].append(renderer.name)
    lines: list[str] = []
    for name, (space, renderers) in spaces.items():
        lines += [f"`{name}`, used by {_enumerate(f'`{renderer}`' for renderer in sorted(renderers))}:", ""]
        if len(space) > 100:
            first, last = space.dimensions[0], space.dimensions[-1]
            lines += [f"{len(space)} dimensions, `{first.name}` to `{last.name}`, for the whole picture.", ""]
            continue
        lines += ["| # | dimension | 0 means | 1 means | unit |", "|---|---|---|---|---|"]
        for index, dimension in enumerate(space.dimensions):
            low, high, unit = f"{dimension.low:g}", f"{dimension.high:g}", dimension.unit or "-"
            lines.append(f"| {index} | `{dimension.name}` | {low} | {high} | {unit} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def command_help() -> str:
    """Return the help of every command of artkit."""
    lines: list[str] = []
    # A context with the settings of the command group, as on the command line.
    with cli.make_context("artkit", ["doctor"], max_content_width=100, terminal_width=100) as parent:
        for name in cli.list_commands(parent):
            command = cli.get_command(parent, name)
            module = inspect.getmodule(command.callback) if command else None
            if not (command and module and module.__name__.split(".")[0] in ("artkit", *OWN_PLUGINS)):
                continue
            command = copy.copy(command)
            command._help_option = None  # click caches it on first use, possibly with other settings
            context = click.Context(command, parent, name, max_content_width=100, terminal_width=100)
            lines += [f"## artkit {name}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(lines).rstrip()


def reproduced_claims() -> str:
    """Return a table of the claims of the paper, and a section for each."""
    stored = json.loads((DOCS / "reproduction.json").read_text(encoding="utf-8"))
    outcomes = {(outcome["claim"], outcome["quick"]): outcome for outcome in stored}
    lines = ["| claim | paper | quick | in full |", "|---|---|---|---|"]
    sections: list[str] = []
    for claim in all_claims().values():
        quick, full = (outcomes.get((claim.name, is_quick)) for is_quick in (True, False))
        not_run = "not attempted" if claim.not_reproduced else f"not run; about {format_duration(claim.minutes * 60)}"
        states = (_claim_status(quick) or "not attempted", _claim_status(full) or not_run)
        lines.append(f"| [{claim.name}](#{claim.name}) | {claim.paper} | {' | '.join(states)} |")
        sections += ["", *_claim_section(claim, quick, full)]
    return "\n".join([*lines, *sections])


_Outcome = Mapping[str, Any]


def _claim_status(outcome: _Outcome | None) -> str:
    """Return the status of an outcome and, if there are figures, its time."""
    if not outcome or not outcome["values"]:
        return str(outcome["status"]) if outcome else ""
    return f"{outcome['status']}, {format_duration(outcome['seconds'])}"


def _claim_section(claim: Claim, quick: _Outcome | None, full: _Outcome | None) -> list[str]:
    lines = [f"### {claim.name}", "", f"{claim.paper}: {claim.statement}", ""]
    if claim.not_reproduced:
        return [*lines, f"Not reproduced: {claim.not_reproduced}"]
    lines += ["```bash", *(f"artkit {command}" for command in claim.commands), "```", ""]
    lines += ["| figure | expected | measured | expected of `--quick` | measured with `--quick` |"]
    lines += ["|---|---|---|---|---|"]
    for index, figure in enumerate(claim.figures):
        cells = [figure.name]
        for is_quick, outcome in ((False, full), (True, quick)):
            values = outcome["values"] if outcome else []
            cells += [figure.expected(is_quick), f"{values[index]:.3g}" if values else "–"]
        lines.append(f"| {' | '.join(cells)} |")
    if claim.measured:
        lines += ["", f"From other pages: {_link_pages(claim.measured)}."]
    lines += [line for text in (claim.departs, claim.note) if text for line in ("", text)]
    if (DOCS / "images" / "reproduction" / f"{claim.name}.jpg").exists():
        lines += ["", f"![{claim.name}{'' if full else ', --quick'}](images/reproduction/{claim.name}.jpg)"]
    return lines


def _link_pages(text: str) -> str:
    """Return a text in which the names of pages in parentheses are links."""
    pages = {"model cards": "models.md", "discrete actions": "discrete-actions.md"}
    pages |= {name: f"{name}.md" for name in ("agents", "benchmarks", "gallery")}
    return re.sub(rf"\(({'|'.join(pages)})\)", lambda match: f"([{match[1]}]({pages[match[1]]}))", text)


GENERATED = {
    "commands.md": {"commands": command_help},
    "recipes.md": {"keys": recipe_keys, "parts": component_reference},
    "architecture.md": {"actions": action_spaces},
    "reproducing.md": {"claims": reproduced_claims},
}
"""The generated sections of each page, by the names in their markers."""


def pages() -> dict[Path, str]:
    """Return the current text of each page with generated sections."""
    return {
        DOCS / page: _replace_sections((DOCS / page).read_text(encoding="utf-8"), sections)
        for page, sections in GENERATED.items()
    }


def _replace_sections(text: str, sections: Mapping[str, Callable[[], str]]) -> str:
    for name, generate in sections.items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end of {name} -->"
        before, has_begin, rest = text.partition(begin)
        _, has_end, after = rest.partition(end)
        if not (has_begin and has_end):
            raise SystemExit(f"the markers {begin} and {end} are missing")
        text = f"{before}{begin}\n\n{generate()}\n\n{end}{after}"
    return text


def _description(component: type[Any]) -> str:
    """Return the docstrings of a component's module and class as Markdown paragraphs."""
    docstrings = [sys.modules[component.__module__].__doc__ or "", component.__doc__ or ""]
    paragraphs = [_one_line(paragraph) for text in docstrings for paragraph in text.split("\n\n")]
    prefix = re.compile(r"^``(type = \"[^`]*|\.\w+|--executor \w+)``: ")
    plain = [prefix.sub("", paragraph).replace("``", "`") for paragraph in paragraphs]
    return "\n\n".join(text[0].upper() + text[1:] for text in dict.fromkeys(plain) if text)


def _one_line(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text.strip())


def _setting_rows(schema: Mapping[str, Any], exclude: Iterable[str] = ()) -> list[tuple[str, str, str, str]]:
    """Return name, type, default and description of each setting in the JSON Schema of a Config."""
    required = schema.get("required", ())
    return [
        (
            f"`{name}`",
            _type_name(setting),
            "**required**" if name in required else _toml(setting.get("default")),
            _one_line(setting.get("description", "")),
        )
        for name, setting in schema.get("properties", {}).items()
        if name not in exclude
    ]


def _table(heading: str, rows: list[tuple[str, str, str, str]]) -> str:
    lines = [f"| {heading} | value | default | |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def _toml(value: Any) -> str:
    return "-" if value is None else f"`{json.dumps(value)}`"


def _type_name(schema: Mapping[str, Any]) -> str:
    """Return a description of the values that a JSON Schema allows."""
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_type_name(choice) for choice in choices if choice.get("type") != "null")
    if "$ref" in schema:
        return "table"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(choice)}`" for choice in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    match schema.get("type"):
        case "integer":
            return "integer" + _range(schema)
        case "number":
            return "number" + _range(schema)
        case "string":
            formats = {"path": "file", "file-path": "file", "file-or-folder": "file or folder"}
            return formats.get(schema.get("format", ""), "text")
        case "boolean":
            return "`true`, `false`"
        case "array":
            return _array_type_name(schema)
        case "object":
            return f"table of {_type_name(schema['additionalProperties'])}"
    raise ValueError(f"no description for the JSON Schema {dict(schema)}")


def _array_type_name(schema: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:
        items = [_type_name(item) for item in schema["prefixItems"]]
        return f"list of {len(items)}: {items[0] if len(set(items)) == 1 else _enumerate(items)}"
    minimum, maximum = schema.get("minItems", 0), schema.get("maxItems")
    length = f"{minimum} to {maximum}" if maximum else f"{minimum} or more"
    return f"list of {length}: {_type_name(schema['items'])}"


def _range(schema: Mapping[str, Any]) -> str:
    bounds = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
    conditions = [f"{sign} {_number(schema[key])}" for key, sign in bounds if key in schema]
    return f" {' and '.join(conditions)}" if conditions else ""


def _number(value: float) -> str:
    powers_of_two = {2**n: f"2^{n}" for n in range(13, 65)}
    return powers_of_two.get(value, f"{value:g}")


def _enumerate(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
