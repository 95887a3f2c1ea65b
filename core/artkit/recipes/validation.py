"""Validation of recipes. All errors of a recipe are reported at once.

Each error is one line with its place in the recipe, what is allowed there and, for a misspelt key, the closest name.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from artkit.config import FIRST_STAGE, LocatedStr, plain_message
from artkit.errors import UsageError
from artkit.files import sha256
from artkit.formatting import counted
from artkit.recipes.merging import first_stage, targets_first_stage
from artkit.recipes.picture_size import resolve_clip_size, resolve_size
from artkit.recipes.recipe import (
    BLOCKS,
    DEFAULT_TYPES,
    FIRST,
    LOG_KEYS,
    NAMED_BLOCKS,
    RECORD,
    SWEEP,
    Block,
    Recipe,
    RunSettings,
    Tree,
    film_stand_in,
)
from artkit.registry.plugin_registry import get_registry

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


_MAX_SHOWN = 80  # characters of a value that are shown


class RecipeError(UsageError):
    """A recipe is not valid. errors: a line each, which begins with its place in the recipe: "steps: must be …"."""

    def __init__(self, name: str, errors: list[str]) -> None:
        super().__init__(f"the recipe {name} has {counted(len(errors), 'error')}:\n  " + "\n  ".join(errors))
        self.errors = errors


def validate_recipe(tree: Tree, name: str) -> Recipe:
    """Return the recipe of a TOML tree. Raises RecipeError with all errors."""
    tree, trains = _with_film_targets(tree), "trainer" in tree
    known = [*RunSettings.model_fields, *BLOCKS, *NAMED_BLOCKS, FIRST, SWEEP]
    errors = [f"{key}: {_unknown_key(key, known)}" for key in tree if key not in (*known, RECORD)]
    values = {key: value for key, value in tree.items() if key in RunSettings.model_fields}
    settings = _validate_model(RunSettings, values, "", errors)
    if isinstance(settings, RunSettings):
        errors += _unknown_formats(settings.output.formats)
    if trains and "data" in tree:
        errors.append("data: a trainer has data of its own; leave out either [data] or [trainer]")
    needed = [kind for kind in BLOCKS if kind in tree or (kind in DEFAULT_TYPES and not trains)]
    blocks = {
        kind: block
        for kind in needed
        if (block := _validate_block(kind, kind, tree.get(kind, {}), errors, DEFAULT_TYPES.get(kind)))
    }
    named = {kind: _validate_named_blocks(kind, tree.get(kind, {}), errors) for kind in NAMED_BLOCKS}
    if not trains and not tree.get("objective"):
        errors.append('objective: a painting needs one, such as [objective.look] with type = "content"')
    if isinstance(settings, RunSettings) and isinstance(settings.background, Path) and "data" in tree:
        errors.append("background: agents are trained on a colour, not on a picture")
    if isinstance(settings, RunSettings) and settings.film:
        errors += _film_errors(settings, trains or "data" in tree)
    if isinstance(settings, RunSettings) and settings.steps == 0 and (trains or "data" in tree):
        errors.append("steps: training needs at least 1 (it is 0)")
    if isinstance(settings, RunSettings):
        errors += _wrong_changes(settings, named["objective"], trains)
    if not errors:
        assert isinstance(settings, RunSettings)
        first = _validate_first_stage(tree, name, errors)
        recipe = Recipe(name, _with_size(settings, named["objective"], errors), blocks, named, first)
        errors += _changed_files(tree.get(RECORD, {}), recipe)
        if not errors:
            return recipe
    raise RecipeError(name, errors)


def _film_errors(settings: RunSettings, trains: bool) -> Iterator[str]:
    """Yield an error for each setting that a film cannot have. trains: whether the recipe trains weights."""
    if trains:
        yield "film: a recipe either paints a film or trains; leave out one of them"
    if isinstance(settings.background, Path):
        yield "background: films are painted on a colour, not on a picture"
    if settings.changes:
        yield "changes: the settings of a film do not change; leave them out"


def _with_film_targets(tree: Tree) -> Tree:
    """Return the recipe of a film in which its clip is the target of objectives.

    It is the target of the first one that can have a target, and of all others that can and name none.
    """
    film, objectives = tree.get("film"), tree.get("objective")
    if not isinstance(film, dict) or not isinstance(film.get("clip"), str) or not isinstance(objectives, dict):
        return tree
    text = film["clip"]
    clip = (text.folder if isinstance(text, LocatedStr) else Path.cwd()) / Path(text).expanduser()
    if not clip.exists():
        return tree  # reported by the validation of the table
    target = LocatedStr(str(film_stand_in(clip.resolve())), Path.cwd())
    known = get_registry().components("objective")
    filled, first = dict(objectives), True
    for name, block in objectives.items():
        entry = known.get(block.get("type", "")) if isinstance(block, dict) else None
        if entry and "target" in entry.component.Config.model_fields and (first or "target" not in block):
            filled[name], first = {**block, "target": target}, False
    return {**tree, "objective": filled}


def _validate_first_stage(tree: Tree, name: str, errors: list[str]) -> Recipe | None:
    """Return the recipe of the first stage, if an objective has its picture as the target. Append errors."""
    places = [
        f"objective.{key}.target" for key, block in tree.get("objective", {}).items() if targets_first_stage(block)
    ]
    if not places or FIRST not in tree:
        errors += [f'{place}: "{FIRST}" needs a table [{FIRST}], with settings of the first stage' for place in places]
        return None
    if not isinstance(tree[FIRST], dict):
        errors.append(f"{FIRST}: write a table, [{FIRST}]")
        return None
    try:
        first = validate_recipe(first_stage(tree), f"{name}-{FIRST}")
    except RecipeError as error:
        errors += [f"{FIRST}.{line}" for line in error.errors]
        return None
    if "film" in tree:
        errors.append(f"{FIRST}: the frames of a film have no first stage")
    if first.first or first.trains_renderer or first.trains_agent:
        errors.append(f"{FIRST}: it paints one picture, and has neither [data], [trainer] nor [{FIRST}]")
    return first


def _with_size(settings: RunSettings, objectives: Mapping[str, Block], errors: list[str]) -> RunSettings:
    """Return the settings with width and height of the picture, which may follow from the first target.

    Without a target they follow from the picture under the strokes.
    """
    targets = {f"objective.{name}.target": getattr(block.config, "target", None) for name, block in objectives.items()}
    if isinstance(background := settings.background, Path):
        picture = background / "painting.png" if background.is_dir() else background
        targets["background"] = picture if picture.is_file() else None
    files = ((place, file) for place, file in targets.items() if isinstance(file, Path) and file != FIRST_STAGE)
    place, target = next(files, ("", None))
    try:
        if settings.film:
            place = "film.clip"
            return settings.model_copy(update={"size": resolve_clip_size(settings.size, settings.film.clip)})
        return settings.model_copy(update={"size": resolve_size(settings.size, target)})
    except UsageError as error:
        errors.append(f"{place}: {error.message}")
        return settings


def build_config(component: type[Any], settings: Mapping[str, Any], place: str) -> Any:
    """Return a component's Config. Raises UsageError with all errors; `place` begins the message."""
    errors: list[str] = []
    config = _validate_model(component.Config, settings, "", errors)
    if config is None:
        raise UsageError(f"{place}: " + "; ".join(errors))
    return config


def _validate_block(kind: str, place: str, value: Any, errors: list[str], default: str | None = None) -> Block | None:
    """Validate the table of one component. Append errors and return None if it is not valid."""
    if not isinstance(value, dict):
        errors.append(f"{place}: write a table, [{place}]")
        return None
    settings = dict(value)
    name = settings.pop("type", default)
    if not isinstance(name, str):
        known = ", ".join(sorted(get_registry().components(kind)))
        errors.append(f"{place}.type: is missing; there are: {known}")
        return None
    try:
        component = get_registry().component(kind, name)
    except UsageError as error:
        errors.append(f"{place}.type: {error.message} {error.hint}")
        return None
    config = _validate_model(component.Config, settings, f"{place}.", errors)
    return Block(kind, str(name), config) if config is not None else None


def _validate_named_blocks(kind: str, group: Any, errors: list[str]) -> dict[str, Block]:
    if not isinstance(group, dict) or "type" in group:
        errors.append(f"{kind}: write one table a {kind}, with a name of your choice: [{kind}.NAME]")
        return {}
    blocks = {}
    for name, value in group.items():
        if kind == "objective" and name in LOG_KEYS:
            errors.append(f"objective.{name}: the log has a key {name} of its own; choose another name")
        if block := _validate_block(kind, f"{kind}.{name}", value, errors):
            blocks[name] = block
    return blocks


def _unknown_formats(formats: Sequence[str]) -> list[str]:
    """Return an error for each format of the output that no exporter writes."""
    components = [entry.component for entry in get_registry().components("exporter").values()]
    known = sorted(suffix.removeprefix(".") for component in components for suffix in component.suffixes)
    return [
        f'output.formats: no exporter writes "{name}"; there are: {", ".join(known)}'
        for name in formats
        if name not in known
    ]


def _wrong_changes(settings: RunSettings, objectives: Mapping[str, Block], trains_renderer: bool) -> list[str]:
    """Return an error for each change of an objective that there is not, and for changes of a trainer."""
    changes = settings.changes or ()
    if changes and trains_renderer:
        return ["changes: the training of a renderer has none"]
    return [
        f"changes.{index}.{key}.{name}: there is no objective {name}"
        for index, change in enumerate(changes)
        for key in ("weights", "weight_images")
        for name in getattr(change, key) or ()
        if name not in objectives
    ]


def _validate_model(
    model: type[BaseModel], values: Mapping[str, Any], prefix: str, errors: list[str]
) -> BaseModel | None:
    """Validate values. Append errors, with `prefix` before the keys, and return None if they are not valid."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        errors += _messages(model, error.errors(), prefix)
        return None


def _messages(model: type[BaseModel], details: Sequence[ErrorDetails], prefix: str) -> Iterator[str]:
    """Yield one message for each invalid value: pydantic's errors for the members of a union are joined."""
    reported = set()
    for detail in details:
        path, message = detail["loc"], plain_message(detail)
        if len(path) > 1 and str(path[1]).startswith("<"):  # the name of a union's member
            path = (path[0], *path[2:])
        if _is_union_member(path):
            if path[0] in reported:
                continue
            reported.add(path[0])
            members = (plain_message(other) for other in details if other["loc"][:1] == path[:1])
            message = "; ".join(dict.fromkeys(members)).replace("; must be", " or")
            path = path[:1]
        place = prefix + ".".join(str(step) for step in path)
        if detail["type"] == "extra_forbidden":
            yield f"{place}: {_unknown_key(str(path[-1]), _allowed_keys(model, path[:-1]))}"
        elif detail["type"] == "missing" and isinstance(path[-1], int):
            yield f"{place.rpartition('.')[0]}: value {path[-1] + 1} is missing"
        elif detail["type"] == "missing":
            yield f"{place}: is missing"
        else:
            yield _invalid_value(place.rstrip("."), message, detail["input"])


def _is_union_member(path: tuple[int | str, ...]) -> bool:
    """Return whether an error is of one member of a union: then the path has the member's type, as in `tuple[...]`."""
    return len(path) > 1 and (path[1] in ("int", "float") or any(mark in str(path[1]) for mark in "[("))


def _invalid_value(place: str, message: str, value: Any) -> str:
    """Return a message with place and value. The place is empty for errors of a whole Config without prefix."""
    show_value = isinstance(value, (str, int, float, bool)) and "there is no" not in message
    shown = repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)  # as in TOML
    shown = shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}…"
    text = message + (f" (it is {shown})" if show_value else "")
    return f"{place}: {text}" if place else text


def _unknown_key(key: str, known: Sequence[str]) -> str:
    matches = difflib.get_close_matches(key, known, n=1)
    guess = f'did you mean "{matches[0]}"? ' if matches else ""
    return f"unknown key; {guess}allowed: {', '.join(known) or 'none'}"


def _allowed_keys(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """Return the keys of the model at a path inside another model."""
    for step in path:
        inner = model.model_fields.get(str(step))
        if inner is None or not (isinstance(inner.annotation, type) and issubclass(inner.annotation, BaseModel)):
            return []
        model = inner.annotation
    return [field.alias or name for name, field in model.model_fields.items()]


def _changed_files(record: Any, recipe: Recipe) -> list[str]:
    """Return an error for each file whose sha256 differs from the one in the record."""
    checksums = record.get("sha256", {}) if isinstance(record, dict) else {}
    if not isinstance(checksums, dict):
        return [f"{RECORD}.sha256: write a table"]
    return [
        f"{place}: {path} is not the file of this run (its sha256 differs); restore it, or remove the line from "
        f"[{RECORD}.sha256]"
        for place, path in recipe.files().items()
        if place in checksums and checksums[place] != sha256(path)
    ]
