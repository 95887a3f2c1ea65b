"""TODO: artkit.recipes.validation."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from artkit.errors import UsageError
from artkit.files import sha256
from artkit.recipes.recipe import (
    BLOCKS,
    DEFAULT_TYPES,
    LOG_KEYS,
    NAMED_BLOCKS,
    RECORD,
    Block,
    Recipe,
    RunSettings,
    Tree,
)
from artkit.registry.plugin_registry import get_registry

_NUMBER_TYPES = ("int", "float")


def validate_recipe(tree: Tree, name: str) -> Recipe:
    """The recipe that a tree of TOML stands for. Raises UsageError with all its faults."""
    faults: list[str] = []
    known = [*RunSettings.model_fields, *BLOCKS, *NAMED_BLOCKS]
    plain = {key: value for key, value in tree.items() if key in RunSettings.model_fields}
    faults += [f"{key}: {_unknown_key(key, known)}" for key in tree if key not in known and key != RECORD]
    head = _validate_model(RunSettings, plain, "", faults)
    blocks: dict[str, Block] = {}
    named: dict[str, dict[str, Block]] = {kind: {} for kind in NAMED_BLOCKS}
    trains = "trainer" in tree
    if trains and "data" in tree:
        faults.append("data: a trainer has data of its own; leave out either [data] or [trainer]")
    for kind in BLOCKS:
        if kind in tree or (kind in DEFAULT_TYPES and not trains):
            default = DEFAULT_TYPES.get(kind)
            if block := _validate_block(kind, kind, tree.get(kind, {}), faults, default):
                blocks[kind] = block
    for kind in NAMED_BLOCKS:
        group = tree.get(kind, {})
        if not isinstance(group, dict) or "type" in group:
            faults.append(f"{kind}: write one table a {kind}, with a name of your choice: [{kind}.NAME]")
            continue
        for label, value in group.items():
            if kind == "objective" and label in LOG_KEYS:
                faults.append(f"objective.{label}: the log has a {label} of its own; choose another name")
            if block := _validate_block(kind, f"{kind}.{label}", value, faults):
                named[kind][label] = block
    if not trains and not tree.get("objective"):
        faults.append('objective: a painting needs one, such as [objective.look] with type = "content"')
    if isinstance(head, RunSettings) and head.steps == 0 and (trains or "data" in tree):
        faults.append("steps: to learn takes at least 1 (it is 0)")
    if not faults:
        recipe = Recipe(name, head, blocks, named)  # type: ignore[arg-type]
        faults += _changed_files(tree.get(RECORD, {}), recipe)
        if not faults:
            return recipe
    raise UsageError(f"the recipe {name} has {len(faults)} fault{'s' * (len(faults) > 1)}:\n  " + "\n  ".join(faults))


def _changed_files(told: Any, recipe: Recipe) -> list[str]:
    sums = told.get("sha256", {}) if isinstance(told, dict) else {}
    if not isinstance(sums, dict):
        return [f"{RECORD}.sha256: write a table"]
    return [
        f"{place}: {path} is not the file this run was made with (its sha256 differs); restore it, or remove the "
        f"line from [record.sha256]"
        for place, path in recipe.files().items()
        if place in sums and sums[place] != sha256(path)
    ]


def _validate_block(kind: str, place: str, value: Any, faults: list[str], default: str | None = None) -> Block | None:
    if not isinstance(value, dict):
        faults.append(f"{place}: write a table, [{place}]")
        return None
    settings = dict(value)
    name = settings.pop("type", default)
    known = ", ".join(sorted(get_registry().components(kind)))
    if not isinstance(name, str):
        faults.append(f"{place}.type: is missing; there are: {known}")
        return None
    try:
        part = get_registry().component(kind, name)
    except UsageError as error:
        faults.append(f"{place}.type: {error.message} {error.hint}")
        return None
    config = _validate_model(part.Config, settings, f"{place}.", faults)
    return Block(kind, str(name), config) if config is not None else None


def _validate_model(
    model: type[BaseModel], values: Mapping[str, Any], place: str, faults: list[str]
) -> BaseModel | None:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        seen = set()
        told_of = error.errors()
        for fault in told_of:
            # A value that may be one of several things has a fault for each; the place is the value's own.
            of_union = len(fault["loc"]) > 1 and (
                fault["loc"][1] in _NUMBER_TYPES or any(mark in str(fault["loc"][1]) for mark in "[(")
            )
            where = str(fault["loc"][0]) if of_union else ".".join(str(step) for step in fault["loc"])
            if of_union:
                if where in seen:
                    continue
                seen.add(where)
                same = [f["msg"] for f in told_of if f["loc"][0] == fault["loc"][0]]
                fault["msg"] = ", or ".join(same)
            if fault["type"] == "extra_forbidden":
                faults.append(
                    f"{place}{where}: {_unknown_key(str(fault['loc'][-1]), _allowed_keys(model, fault['loc'][:-1]))}"
                )
            elif fault["type"] == "missing":
                faults.append(f"{place}{where}: is missing")
            else:
                message = fault["msg"].removeprefix("Value error, ")
                given = fault["input"]
                told = (
                    f" (it is {given!r})"
                    if isinstance(given, (str, int, float, bool)) and "there is no" not in message
                    else ""
                )
                at = (place + where).rstrip(".")
                faults.append(f"{at}{': ' if at else ''}{message[0].lower()}{message[1:]}{told}")
        return None


def _allowed_keys(model: type[BaseModel], path: Sequence[Any]) -> list[str]:
    for step in path:
        inner = model.model_fields.get(str(step))
        if inner is None or not (isinstance(inner.annotation, type) and issubclass(inner.annotation, BaseModel)):
            return []
        model = inner.annotation
    return [field.alias or name for name, field in model.model_fields.items()]


def _unknown_key(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    guess = f'did you mean "{near[0]}"? ' if near else ""
    return f"unknown key; {guess}allowed: {', '.join(known) or 'none'}"


def build_config(part: type[Any], settings: Mapping[str, Any], place: str) -> Any:
    """A part's Config from settings. Raises UsageError with all faults."""
    faults: list[str] = []
    config = _validate_model(part.Config, settings, "", faults)
    if config is None:
        raise UsageError(f"{place}: " + "; ".join(faults))
    return config
